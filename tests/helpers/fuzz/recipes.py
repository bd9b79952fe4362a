"""Recipes: TOML of odd types, ranges, keys, syntax, letters and sizes, through the reading of a recipe."""

import datetime
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fuzz import sandbox
from fuzz.images import mutate

if TYPE_CHECKING:
    from fuzz.runner import Batch, Found

SECONDS = sandbox.SECONDS

NUMBERS = ["0", "1", "8", "16", "64", "-1", "1.0", "0.5", "-0.0", "1e400", "nan", "inf", "-inf", "1e-320", "0x10"]
NUMBERS += ["0b1", "0o7", "1_000", "9" * 19, "9" * 400, "9" * 5000, "01", "1e", "+5", "4611686018427387905"]
TEXTS = ['""', '"adam"', '"cosine"', '"float32"', '"annealed"', '"annealed:0"', '"sample:nan"', '"mean+coherent"']
TEXTS += ['"vgg16"', '"none"', '"imagenet"', '"keras:VGG16:block1_conv1"', '"euclidean"', '"cross_entropy"', '"mse"']
TEXTS += ['"uv"', '"logits"', '"guided"', '"relu"', '"procedural"', '"../x"', '"/dev/zero"', '"\\u0000"']
TEXTS += ['"\\u001b[31m"']
TEXTS += ['"ж"', '"🎨"', '"\\ud800"', "'''x'''", '"""\n\n"""', '"' + "x" * 3000 + '"', '"x', "'", '"\\q"']
OTHERS = ["true", "false", "True", "null", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "[]", "[1, 2]", "{}"]
OTHERS += ["{a = 1}", '[["x"]]', "[" * 50 + "]" * 50, "[" * 3000 + "]" * 3000, "{a = " * 500 + "1" + "}" * 500, "", "@"]
KEYS = ["head", "trunk", "activation", "output", "stride", "momentum", "initializer", "model", "recipe", "start"]
KEYS += ["seed"]
KEYS += ["model_options", "steps ", '""', '"a b"', "a.b", "run.steps", "ж", '"ж"', "__class__", "-", "1", "summary"]
KEYS += ["="]


def feed(batch: "Batch", folder: Path, found: "Found", begin: Callable[[str], None]) -> None:
    """Runs the cases of a batch."""
    sandbox.feed(batch, folder, found, begin, _case)


def _one_of(rng: np.random.Generator, words: list[str]) -> str:
    return words[int(rng.integers(len(words)))]  # NumPy's choice drops zeros at a text's end


def _value(rng: np.random.Generator) -> str:
    group = (NUMBERS, TEXTS, OTHERS)[int(rng.integers(3))]
    return _one_of(rng, group)


def _text(rng: np.random.Generator) -> bytes:
    """A recipe."""
    from zoo.training.config import DEFAULTS, RECIPES_DIR, SETTINGS, list_recipes

    base = (RECIPES_DIR / f"{rng.choice(list_recipes())}.toml").read_text(encoding="utf-8")
    kind = int(rng.integers(8))
    if kind == 0:  # bytes
        return mutate(base.encode(), [base.encode()], rng)
    if kind == 1:  # sizes
        size = int(10 ** rng.uniform(2, 5.5))
        piece = _one_of(rng, ["#", "[run]\n", "a = 1\n", "[[run]]\n", "[", "x", "\x00", "\n", "a.", '"'])
        return (base * int(rng.integers(2)) + piece * (size // len(piece))).encode()
    lines = [f"summary = {_value(rng)}" if rng.random() < 0.2 else 'summary = "x"']
    for table in ("run", "model", "uv", "logits"):
        if rng.random() < 0.1:
            lines.append(f"{table} = {_value(rng)}")
            continue
        header = str(rng.choice(["[{}]", "[{}]", "[{}]", "[{}]", "[{}]", "[[{}]]", "[{}.x]", "[{}", "[ {} ]"]))
        lines.append(header.format(table))
        for _ in range(int(rng.integers(3))):
            odd = table != "run" or rng.random() < 0.1
            key = _one_of(rng, KEYS if odd and rng.random() < 0.6 else [*SETTINGS, "loss"])
            good = key in DEFAULTS and rng.random() < 0.6
            lines.append(f"{key} = {json.dumps(DEFAULTS[key]) if good else _value(rng)}")
    if kind == 2:
        rng.shuffle(lines)
    end = str(rng.choice(["\n", "\n", "\r\n", "\r"]))
    text = end.join(lines) + end
    encoding = str(rng.choice(["utf-8"] * 12 + ["utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, errors="ignore")


def _case(here: Path, rng: np.random.Generator) -> tuple[str, Callable[[], str]]:
    from zoo.models.registry import list_models

    name = str(rng.choice(["recipe.toml", "recipe.toml", "a b.toml", "ж.toml", "x\x1b[31m.toml", "l" * 200 + ".toml"]))
    path = here / name
    content = _text(rng)
    path.write_bytes(content)
    model = str(rng.choice(list_models()))
    flags = {} if rng.random() < 0.7 else {"steps": int(rng.integers(1, 9)), "decode": None, "data": "x"}
    options: dict[str, Any] = {} if rng.random() < 0.8 else {"head": rng.choice(["uv", "logits", "", "x"]).item()}
    return f"{model} of {content[:300]!r}", lambda: _read(path, model, flags, options)


def _read(path: Path, model: str, flags: dict[str, Any], options: dict[str, Any]) -> str:
    from zoo.errors import UsageError
    from zoo.train import default_run_dir
    from zoo.training.config import RunConfig, resolve

    try:
        config = resolve(model, str(path), flags, options)
    except UsageError as error:
        text = str(error)
        sandbox.require(str(path) in text or "--" in text or "head" in text, f"nothing is named: {text[:500]}")
        sandbox.require(len(text) <= sandbox.LONGEST, f"a message of {len(text)} characters")
        return "refused"
    held = json.dumps(config.as_json(), allow_nan=False)  # config.json is to hold it
    sandbox.require(json.loads(held) == config.as_json(), "it is not what JSON keeps")
    default_run_dir(config)
    for field in RunConfig.__dataclass_fields__.values():
        value = getattr(config, field.name)
        sandbox.require(not isinstance(value, datetime.date), f"{field.name} is {value!r}")
        sandbox.require(not isinstance(value, float) or math.isfinite(value), f"{field.name} is {value!r}")
    return "done"
