"""Makes released weights of a finished run."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.models.contract import contract_of
from zoo.models.encoders import ENCODERS
from zoo.models.registry import build, get_card
from zoo.models.releases import ENCODER, FOLDER, Release, named_variables
from zoo.support.files import atomic_path, write_text
from zoo.training.rundir import RunDirectory

LARGEST = 15_000_000
"""Bytes of a file of released weights, at most."""


def release(
    network: Any,
    run_dir: Path,
    name: str,
    *,
    data: str,
    attribution: str,
    licence: str,
    last: bool = False,
    folder: Path = FOLDER,
) -> Release:
    """Makes released weights of a finished run.

    The encoder is left out where it is, to the last bit, the ImageNet one that comes with the package.

    Args:
        network: its best or its last model.
        run_dir: the run directory.
        name: what `weights=` takes.
        data: what the run was trained on.
        attribution: whom the licences of the data want named.
        licence: of the weights.
        last: whether it is the last model, whose scores are those of the last validation.
        folder: where to.

    Raises:
        UsageError: the run is not done, its weights do not fit into half precision or into `LARGEST`, or it is not
            known how its model is built.
    """
    import numpy as np

    if not name.replace("-", "").isalnum():
        raise UsageError(f"a name of weights has letters, digits and hyphens: {name!r} has others")
    for flag, text in (("--data", data), ("--attribution", attribution), ("--licence", licence)):
        if not text.isprintable():
            raise UsageError(f"{flag} must be one line of text, not {text!r}")
    result = RunDirectory(run_dir).result()
    if result is None:
        raise UsageError(f"{run_dir} holds no run that is done: there is no result.json")
    config, environment = result.details["config"], result.details["environment"]
    if not isinstance(config.get("model_options"), dict):
        raise UsageError(f"{run_dir}: it began from a .keras file that does not say which options its model has")
    encoder = config.get("encoder", get_card(config["model"]).encoder)
    variables = named_variables(network)
    if encoder in ENCODERS and ENCODERS[encoder].card.digest:
        packaged = named_variables(build(config["model"], encoder=encoder, **config["model_options"]))
        own = {key: value for key, value in variables.items() if key.startswith(ENCODER)}
        if all(np.array_equal(np.asarray(value), np.asarray(packaged[key])) for key, value in own.items()):
            variables = {key: value for key, value in variables.items() if key not in own}
    arrays = {}
    for key, value in variables.items():
        array = np.asarray(value)
        # Vectors are few, and the variances of the encoder's maps are beyond half precision.
        arrays[key] = array if array.ndim < 2 else array.astype(np.float16)
        if not np.isfinite(arrays[key]).all():
            raise UsageError(f"{run_dir}: {key} does not fit into half precision")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config['model']}-{name}.npz"
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
        size = temporary.stat().st_size
        if size > LARGEST:
            raise UsageError(
                f"{run_dir}: its weights are {size / 1e6:.1f} MB, and at most {LARGEST / 1e6:.0f} MB are released: an"
                " encoder that was trained is stored too, and a frozen one or efficientnet_lite0 takes less"
            )
    scores = {row["variant"]: row["value"] for row in result.rows if row["metric"] == "rmse_ab" and row["model"]}
    if last:
        validations = [each["validation"] for each in RunDirectory(run_dir).records() if "validation" in each]
        try:
            scores = {row["name"]: row["rmse_ab"] for row in validations[-1]["rows"]}
        except (LookupError, TypeError):
            raise UsageError(f"{run_dir / 'metrics.jsonl'} does not hold the last model's scores") from None
    card = Release(
        model=config["model"],
        name=name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        options=config["model_options"],
        data=data,
        attribution=attribution,
        licence=licence,
        config={key: value for key, value in config.items() if key not in ("data", "model_options", "model")},
        commit=environment.get("commit") or "unknown",
        scores=scores,
        side=contract_of(network).side,
    )
    write_text(path.with_suffix(".toml"), _toml(dataclasses.asdict(card)))
    return card


def _toml(values: dict[str, Any]) -> str:
    """A card as TOML: plain values, then tables of plain values."""

    def line(key: str, value: Any) -> str:
        return f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}"

    plain = [line(key, value) for key, value in values.items() if not isinstance(value, dict)]
    tables = [
        "\n".join([f"\n[{key}]", *(line(k, v) for k, v in value.items())])
        for key, value in values.items()
        if isinstance(value, dict)
    ]
    return "\n".join([*plain, *tables]) + "\n"
