"""`python -m zoo.export`: exported models answer as Keras does, and what cannot be exported is said."""

import importlib.util
import json
import os

import keras
import numpy as np
import pytest
import tiny
from field import SMALL
from PIL import Image

import zoo
from zoo.chroma.bins import BINS
from zoo.chroma.decoders import DECODERS, gumbel_noise
from zoo.errors import RunError, UsageError
from zoo.export import __main__ as export
from zoo.export.agreement import Difference, Reference, check, difference
from zoo.export.decoding import chosen_decoder
from zoo.export.formats import FORMATS
from zoo.export.graph import ExportedGraph, in_float32
from zoo.models.prediction import Predictor, predict
from zoo.support.files import atomic_folder

CLASSIFIERS = [name for name in zoo.list_models() if zoo.get_card(name).output == "logits"]
REGRESSIONS = [name for name in zoo.list_models() if name not in CLASSIFIERS]
ALL = [
    *((name, None) for name in REGRESSIONS),
    *((name, decoder) for name in CLASSIFIERS for decoder in (*DECODERS, "annealed:0.2", "sample:0.5")),
    ("classifier", "none"),
]
HEADED = ("classifier", "conditional", "joint")
"""A classifier of each kind of head: what a decoder makes of the others' answers is the same code."""

FEW = [case for case in ALL if case[1] in (None, "mode") or case[0] in HEADED]
SOME = [case for case in ALL if case[1] in (None, "mode", "mean", "sample", "none")]
OTHERS = {
    "residual-uv": ("residual", {"head": "uv"}),
    "hypercolumn-residual_uv": ("hypercolumn", {"head": "residual_uv"}),
    "hypercolumn-bins": ("classifier", {"trunk": "hypercolumn"}),
    "hypercolumn-v_given_u": ("conditional", {"trunk": "hypercolumn"}),
}
"""The pairs of trunk and head that no registered model has."""

SOME += [
    *((name, None) for name in ("residual-uv", "hypercolumn-residual_uv")),
    *((name, d) for name in ("hypercolumn-bins", "hypercolumn-v_given_u") for d in ("mode", "mean", "sample")),
]
FAR = {
    **dict.fromkeys(("head_logits", "head_u", "head_v_given_u"), 0.05),
    **dict.fromkeys(("head_joint", "head_hue_chroma", "head_tanh", "head_sigmoid", "head_colors"), 0.5),
}
"""By last layer, how much is added to its weights."""

LUMA = np.random.default_rng(0).random((1, 11, 18, 1), dtype=np.float32)


def forms(*names: str) -> list:
    """Parameters, each with the packages that it needs."""
    needed = {name: (*FORMATS[name].writes, *FORMATS[name].runs) for name in names}
    return [pytest.param(name, marks=[pytest.mark.needs(*all_)] if all_ else []) for name, all_ in needed.items()]


def name_of(case) -> str:
    return "-".join(filter(None, case))


@pytest.fixture(scope="module")
def networks():
    """Every trunk with every head, random, with logits far enough apart that a colour is chosen."""
    made = {}
    rng = np.random.default_rng(1)
    for name, (model, options) in ({name: (name, SMALL.get(name, {})) for name in zoo.list_models()} | OTHERS).items():
        made[name] = zoo.create(model, encoder_weights="none", initializer="he_normal", **options)
        for layer in made[name].layers:
            if layer.name in FAR:
                layer.set_weights([w + rng.normal(0, FAR[layer.name], w.shape) for w in layer.get_weights()])
    return {name: (model, Predictor(model)) for name, model in made.items()}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    tiny.two_convolutions(False).save(root / "regression.keras")
    tiny.two_convolutions(True).save(root / "classifier.keras")
    zoo.create("conditional", encoder_weights="none").save(root / "conditional.keras")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Coloured images of 80 by 72 pixels: four to train on, three to validate."""
    root = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for split, count in (("train", 4), ("val", 3)):
        (root / split).mkdir()
        for index in range(count):
            blocks = rng.integers(0, 256, (9, 10, 3), dtype=np.uint8)
            Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)).save(root / split / f"{index}.png")
    return root


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    code = export.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def compared(networks, case, runner) -> Difference:
    """The difference between an exported model, as a runner of it, and Keras, whose answer has to vary."""
    name, decoder = case
    chosen = chosen_decoder(decoder)
    model, predictor = networks[name]
    reference = Reference(predictor, chosen)
    answer = reference(LUMA)
    assert len(np.unique(answer)) > (8 if predictor.contract.stride == 1 else 2)  # of a smaller answer, fewer
    assert np.ptp(answer) > 0.05  # fifty times what the two may differ by
    found = difference(runner(ExportedGraph(model, chosen)), reference)
    check(found, chosen)
    return found


@pytest.mark.parametrize(
    "case", [pytest.param(case, id=name_of(case), marks=[pytest.mark.slow] * (case not in FEW)) for case in ALL]
)
def test_the_graph_answers_as_keras_does(networks, case):
    def runner(graph):
        return lambda inputs: graph.serve(*inputs.values())[graph.output].numpy()

    compared(networks, case, runner)


def written(networks, tmp_path, form, case) -> None:
    def runner(graph):
        path = tmp_path / f"exported{FORMATS[form].suffix}"
        FORMATS[form].write(graph, path, "float32")
        return FORMATS[form].open(path)

    compared(networks, case, runner)


@pytest.mark.parametrize("form", forms(*FORMATS))
def test_a_file_answers_as_keras_does(networks, tmp_path, form):
    written(networks, tmp_path, form, ("conditional", "mean"))  # the one with a loop


@pytest.mark.slow
@pytest.mark.parametrize("case", ALL, ids=name_of)
def test_every_saved_model_answers_as_keras_does(networks, tmp_path, case):
    written(networks, tmp_path, "saved_model", case)


@pytest.mark.slow
@pytest.mark.parametrize("case", SOME, ids=name_of)
@pytest.mark.parametrize("form", forms("litert", "onnx"))
def test_every_other_file_answers_as_keras_does(networks, tmp_path, form, case):
    written(networks, tmp_path, form, case)


@pytest.mark.parametrize("form", forms(*FORMATS))
def test_a_command_writes_a_file_and_says_what_it_found(capsys, models, tmp_path, form):
    target = tmp_path / f"mine{FORMATS[form].suffix}"
    command = [models / "classifier.keras", "--format", form, "--decode", "sample:0.5", "-o", target]
    code, out, err = run(capsys, *command, "--json")
    assert code == 0, err
    assert err.splitlines() == [f"loading {models / 'classifier.keras'}", f"writing {form} and comparing it with Keras"]
    result = json.loads(out)
    assert result["check"]["equal"] >= 0.999
    assert result["bytes"] > 8000
    assert {key: result[key] for key in ("file", "format", "variant", "decoder", "inputs", "output", "pages")} == {
        **{"file": str(target), "format": form, "variant": "float32", "decoder": "sample:0.5"},
        **{"inputs": ["luma", "noise"], "output": "uv", "pages": None},
    }
    assert list(tmp_path.iterdir()) == [target]

    exported = FORMATS[form].open(target)
    model = zoo.load(models / "classifier.keras")
    for seed in (5, 6):
        expected = predict(model, LUMA, "sample:0.5", seed=seed)
        np.testing.assert_allclose(exported({"luma": LUMA, "noise": gumbel_noise(seed)}), expected, atol=1e-6)
    first, second = (exported({"luma": LUMA, "noise": gumbel_noise(seed)}) for seed in (5, 6))
    assert not np.allclose(first, second)

    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    code, _, err = run(capsys, *command)
    assert code == 2
    assert "is there already: give --overwrite to replace it" in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    code, out, err = run(capsys, *command, "--decode", "none", "--overwrite")
    assert code == 0, err
    assert "logits by none" in out
    assert FORMATS[form].open(target)({"luma": LUMA}).shape == (*LUMA.shape[:3], 2, BINS)
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_is_named_after_model_decoder_and_variant(capsys, models, tmp_path):
    zoo.load(models / "classifier.keras").save(tmp_path / "best.keras")
    for flags, name in (
        (["--decode", "annealed:0.2"], "small-annealed-0.2-saved_model"),
        (["--decode", "mode"], "small-mode-saved_model"),
    ):
        code, _, err = run(capsys, tmp_path, "--format", "saved_model", *flags)
        assert code == 0, err
        assert (tmp_path / name / "saved_model.pb").is_file()


@pytest.mark.needs("ai_edge_litert")
def test_a_litert_file_is_named_so_too(capsys, models, tmp_path):
    zoo.load(models / "classifier.keras").save(tmp_path / "best.keras")
    assert run(capsys, tmp_path, "--format", "litert", "--decode", "mode", "--variant", "int8", "--pages", 0)[0] == 0
    assert (tmp_path / "small-mode-int8.tflite").is_file()


@pytest.mark.parametrize("variant", ["float16", "int8"])
@pytest.mark.parametrize("form", forms("onnx", "litert"))
def test_smaller_weights_and_what_they_cost(capsys, models, folder, tmp_path, form, variant):
    sizes, losses = {}, {}
    for each in ("float32", variant):
        target = tmp_path / f"{each}{FORMATS[form].suffix}"
        flags = ["--format", form, "--variant", each, "-o", target, "--data", folder, "--pages", 2, "--max-side", 64]
        code, out, err = run(capsys, models / "classifier.keras", "--decode", "mean", *flags, "--json")
        assert code == 0, err
        result = json.loads(out)
        assert result["bytes"] == target.stat().st_size
        assert result["pages"]["pages"] == 2
        assert min(result["pages"][key] for key in ("images_per_second", "keras_images_per_second")) > 0
        sizes[each], losses[each] = result["bytes"], result["pages"]["delta_e00"]
    assert sizes[variant] < sizes["float32"] * {"float16": 0.6, "int8": 0.4}[variant]
    assert losses["float32"] < 0.01
    assert losses["float32"] < losses[variant] < 5


def test_an_export_that_answers_otherwise_is_not_kept(capsys, models, tmp_path, monkeypatch):
    target = tmp_path / "mine"
    command = [models / "regression.keras", "--format", "saved_model", "-o", target, "--overwrite"]
    assert run(capsys, *command)[0] == 0
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    original = Reference.__call__
    monkeypatch.setattr(Reference, "__call__", lambda self, luma: original(self, luma) + np.float32(0.002))
    code, out, err = run(capsys, *command)
    assert code == 1
    assert "differs from Keras's by up to 0.002; 0.001 is allowed" in err
    assert out == ""
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_counts_as_the_same_answer():
    reference = Reference(Predictor(tiny.two_convolutions(True)), chosen_decoder("mode"))
    assert difference(lambda inputs: reference(inputs["luma"]), reference) == Difference(0.0, 1.0)
    with pytest.raises(RunError, match="answers luma .1, 1, 1, 1. with .1, 1, 1., not .1, 1, 1, 2."):
        difference(lambda inputs: reference(inputs["luma"])[..., 0], reference)
    with pytest.raises(RunError, match="not finite"):
        difference(lambda inputs: reference(inputs["luma"]) * np.float32("nan"), reference)

    def one_of_ten(inputs):
        answer = reference(inputs["luma"]).copy()
        answer[:, ::10] += 0.1
        return answer

    found = difference(one_of_ten, reference)
    assert found.largest == pytest.approx(0.1, rel=1e-4)
    assert found.equal == pytest.approx(0.89, abs=0.01)
    with pytest.raises(RunError, match="agrees with Keras at"):
        check(found, chosen_decoder("mode"))
    check(Difference(0.5, 0.9995), chosen_decoder("sample"))
    with pytest.raises(RunError, match="by up to 0.5"):
        check(Difference(0.5, 0.9995), chosen_decoder("mean"))


@pytest.mark.parametrize(
    ("model", "flags", "message"),
    [
        ("nothing.keras", [], "no model at"),
        ("broken.keras", [], "is not a model of this zoo"),
        ("regression.keras", ["--decode", "mode"], "a regression answers with one colour"),
        ("classifier.keras", [], "needs a decoder: mean, annealed[:T], median, mode, sample[:T], or none"),
        ("classifier.keras", ["--decode", "mod"], "--decode: unknown decoder 'mod'"),
        ("classifier.keras", ["--decode", "sample:0"], "temperature must be in"),
        ("classifier.keras", ["--decode", "mode+coherent"], "'mode+coherent' cannot be exported"),
        ("conditional.keras", ["--decode", "none"], "logits of V depend on the U chosen"),
        ("regression.keras", ["--variant", "int8"], "--variant int8: saved_model has float32 only"),
        ("regression.keras", ["--pages", "-1"], "--pages must be at least 0, not -1"),
        ("regression.keras", ["--pages", "0", "--data", "x"], "--data: no pages are coloured with --pages 0"),
        ("regression.keras", ["--data", "no-such-set"], "no-such-set"),
        ("regression.keras", ["-o", "{tmp}/photos", "--overwrite"], "is no SavedModel, and will not be replaced"),
        ("regression.keras", ["--format", "litert", "-o", "{tmp}/photos", "--overwrite"], "that is a folder"),
    ],
)
def test_bad_input_is_exit_code_2_and_makes_nothing(capsys, models, tmp_path, model, flags, message):
    (models / "broken.keras").write_bytes((models / "regression.keras").read_bytes()[:900])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_text("dear")
    before = {*models.iterdir()}
    form = [] if "--format" in flags else ["--format", "saved_model"]
    code, out, err = run(capsys, models / model, *form, *(flag.format(tmp=tmp_path) for flag in flags))
    assert code == 2
    assert message in err
    assert "Traceback" not in err
    assert out == ""
    assert {*models.iterdir()} == before
    assert [path.name for path in tmp_path.rglob("*")] == ["photos", "mine.jpg"]


def test_the_model_itself_is_not_replaced(capsys, models):
    before = (models / "regression.keras").read_bytes()
    code, _, err = run(
        capsys, models / "regression.keras", "--format", "litert", "-o", models / "regression.keras", "--overwrite"
    )
    assert code == 2
    assert "that is the model itself" in err
    assert (models / "regression.keras").read_bytes() == before


def test_a_missing_package_is_named(capsys, models, tmp_path, monkeypatch):
    original = importlib.util.find_spec
    absent = {"tf2onnx", "ai_edge_litert"}
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name in absent else original(name, *rest)
    )
    command = [models / "regression.keras", "-o", tmp_path / "mine", "--format"]
    code, _, err = run(capsys, *command, "onnx")
    assert code == 2
    assert '--format onnx needs the package tf2onnx: pip install "keras-colorization-zoo[onnx]"' in err
    code, _, err = run(capsys, *command, "litert", "--pages", 2)
    assert code == 2
    assert (
        '--pages: colouring pages takes the package ai_edge_litert; pip install "keras-colorization-zoo[litert]"' in err
    )
    code, out, err = run(capsys, *command, "litert", "--variant", "int8")  # which is compared on pages by default
    assert code == 0, err
    assert "not checked" in out
    assert "not checked: it takes the package ai_edge_litert" in err
    assert (tmp_path / "mine").stat().st_size > 500


def test_a_model_of_another_precision_is_exported_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = zoo.create("conditional", encoder_weights="none")
    finally:
        keras.config.set_dtype_policy(before)
    copy = in_float32(model)
    assert {layer.compute_dtype for layer in model.layers} == {"bfloat16", "float32"}
    assert {layer.compute_dtype for layer in copy._flatten_layers()} == {"float32"}
    for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [weight.path for weight in copy.weights] == [weight.path for weight in model.weights]
    exact = zoo.create("conditional", encoder_weights="none")
    exact.set_weights(model.get_weights())
    ours, theirs, rough = (np.array(each([LUMA, LUMA], training=False)) for each in (copy, exact, model))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.abs(ours - rough).max() > 1e-4


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path):
    target = tmp_path / "folder"
    for content in ("old", "new"):
        with atomic_folder(target) as temporary:
            (temporary / "deep").mkdir()
            (temporary / "deep" / content).write_text(content)
        assert [path.name for path in target.rglob("*")] == ["deep", content]
        assert [path.name for path in tmp_path.iterdir()] == ["folder"]

    def fail_half_way():
        with atomic_folder(target) as temporary:
            (temporary / "half").write_text("")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert [path.name for path in target.rglob("*")] == ["deep", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.MonkeyPatch.context() as patch:
        original = os.rename

        def rename(source, where):
            if where == target and not source.name.endswith("-old"):
                raise PermissionError(13, "not now", str(where))
            original(source, where)

        patch.setattr(os, "rename", rename)
        with pytest.raises(PermissionError), atomic_folder(target):
            pass
    assert [path.name for path in target.rglob("*")] == ["deep", "new"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_disk_that_takes_nothing_is_said(capsys, models, tmp_path, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    command = [models / "regression.keras", "--format", "litert", "-o", tmp_path / "mine.tflite"]
    code, _, err = run(capsys, *command)
    assert code == 1
    assert "could not be written: No space left on device" in err
    assert list(tmp_path.iterdir()) == []


def test_unknown_decoders_are_refused_without_a_model():
    with pytest.raises(UsageError, match="unknown decoder"):
        chosen_decoder("nearest")
    assert chosen_decoder("sample:0.5").temperature == 0.5
    assert chosen_decoder("annealed").temperature == 0.38


@pytest.mark.needs("onnx")
def test_values_beyond_half_precision_stay_as_they_are():
    import onnx
    from onnx.reference import ReferenceEvaluator

    from zoo.export.formats import _halve

    weights = {"kernel": np.linspace(-2, 2, 512, dtype=np.float32), "variance": np.full(512, 1e5, np.float32)}
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Add", list(weights), ["sum"])],
            "graph",
            [],
            [onnx.helper.make_tensor_value_info("sum", onnx.TensorProto.FLOAT, [512])],
            [onnx.numpy_helper.from_array(value, name) for name, value in weights.items()],
        )
    )
    _halve(proto)
    kinds = {weight.name: weight.data_type for weight in proto.graph.initializer}
    assert kinds == {"kernel_float16": onnx.TensorProto.FLOAT16, "variance": onnx.TensorProto.FLOAT}
    (found,) = ReferenceEvaluator(proto).run(None, {})
    np.testing.assert_allclose(found, sum(weights.values()), atol=1e-2)
