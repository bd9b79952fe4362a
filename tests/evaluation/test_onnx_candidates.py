"""ONNX files as candidates: their cards, and what of them is refused."""

import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
from foreign import CARD, LUMA, RGB, SUBJECT
from PIL import Image

import zoo
from zoo.chroma.upsampling import bring_up
from zoo.chroma.yuv import split_luma
from zoo.errors import UsageError
from zoo.evaluation.candidates import answer_of
from zoo.evaluation.foreign import OnnxModel
from zoo.evaluation.foreign.onnx_card import CARD_KEY, card_of
from zoo.metrics import lab
from zoo.results import Way

# Cards


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[input", "is not a TOML file"),
        ('input = "luma"', "input must be a table, not 'luma'"),
        (CARD.replace('color = "luma"\n', ""), "input.color is missing"),
        (
            CARD.replace("luma", "lumma"),
            "input.color must be one of luma, L, gray rgb, not 'lumma'. Did you mean 'luma'",
        ),
        (CARD.replace("uv", "logits"), "output.color must be one of uv, ab, rgb, not 'logits'"),
        (CARD.replace("layout", "lay_out"), "unknown key input.lay_out. Did you mean 'layout'?"),
        (CARD + "size = [256, 256]", "unknown key output.size"),
        (f"size = 256\n{CARD}", "unknown key size"),
        (f"name = 3\n{CARD}", "name must be a text, not 3"),
        (CARD.replace("[output]", "size = [256]\n[output]"), "input.size must hold 2 numbers, not [256]"),
        (CARD.replace("[output]", "size = [256, 0]\n[output]"), "input.size must be in [8, 8192], not 0"),
        (CARD.replace("[output]", "size = [8, 8]\nside = 8\n[output]"), "input.size leaves nothing to input.side"),
        (CARD.replace("[output]", "multiple = 0\n[output]"), "input.multiple must be in [1, 8192], not 0"),
        (CARD.replace("[output]", 'scale = "2"\n[output]'), "input.scale must be a number, not '2'"),
        (CARD.replace("[output]", "scale = [1, 2, 3]\n[output]"), "input.scale must hold 1 or 1 numbers, for luma"),
        (CARD + "offset = [1, 2, 3]", "output.offset must hold 1 or 2 numbers, for uv"),
        (CARD + "scale = inf", "output.scale must be finite"),
        (CARD.replace("[output]", "zeros = 3\n[output]"), "input.zeros must be a table"),
        (CARD.replace("[output]", "zeros = { x = 0 }\n[output]"), "input.zeros.x must be at least 1, not 0"),
    ],
)
def test_wrong_cards_are_refused(text, message):
    with pytest.raises(UsageError) as caught:
        card_of(text, "theirs.toml")
    assert str(caught.value).startswith("theirs.toml")
    assert message in str(caught.value)


def test_texts_of_a_card_bring_no_codes_to_the_terminal():
    assert card_of(f'name = "a\\u001b[2Jb"\n{CARD}', "").name == "a?[2Jb"


def test_what_a_network_sees_of_a_picture():
    def seen(line: str, size: tuple[int, int]) -> tuple[int, int]:
        return card_of(CARD.replace("[output]", f"{line}\n[output]"), "").input.seen(*size)

    assert seen("", (300, 411)) == (300, 411)
    assert seen("size = [256, 192]", (300, 411)) == (256, 192)
    assert seen("multiple = 32", (300, 411)) == (288, 416)
    assert seen("multiple = 32", (10, 411)) == (32, 416)
    assert seen("side = 200", (300, 400)) == (152, 200)
    assert seen("side = 500", (300, 411)) == (300, 411)
    assert seen("side = 200\nmultiple = 32", (300, 400)) == (160, 192)


# ONNX files


def write(path: Path, nodes, inputs, outputs, initializers=(), card: str | None = CARD, **metadata: str) -> Path:
    """An ONNX file of a graph: nodes as (operator, inputs, outputs, attributes), inputs and outputs by shape."""
    import onnx
    from onnx import helper

    def info(shapes):
        return [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()]

    made = [helper.make_node(kind, given, to, **attributes) for kind, given, to, attributes in nodes]
    graph = helper.make_graph(made, "theirs", info(inputs), info(outputs), list(initializers))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    path.write_bytes(model.SerializeToString())
    if card is not None:
        path.with_suffix(".toml").write_text(card, encoding="utf-8")
    return path


def two_of(path: Path, card: str = CARD, *, layout: str = "NHWC", fixed=("h", "w"), channels: int = 1) -> Path:
    """A network that answers with its input's first channel twice."""
    axis, (h, w) = (3 if layout == "NHWC" else 1), fixed
    shape = lambda count: ["b", h, w, count] if layout == "NHWC" else ["b", count, h, w]  # noqa: E731
    import onnx

    numbers = [onnx.numpy_helper.from_array(np.array([n]), name) for name, n in (("0", 0), ("1", 1), ("axis", axis))]
    nodes = [("Slice", ["x", "0", "1", "axis"], ["one"], {}), ("Concat", ["one", "one"], ["y"], {"axis": axis})]
    return write(path, nodes, {"x": shape(channels)}, {"y": shape(2)}, numbers, card)


def answer(path: Path):
    (found,) = OnnxModel(path, None, 0).answers(SUBJECT)
    return found


@pytest.mark.needs("onnx", "onnxruntime")
def test_colours_scales_and_layouts_of_a_card(tmp_path):
    card = CARD.replace("NHWC", "NCHW").replace("[output]", "scale = 2\noffset = -1\n[output]")
    twice = np.dstack([2 * LUMA - 1] * 2)
    path = two_of(tmp_path / "a.onnx", card + "scale = [0.1, 0.2]\noffset = 0.01", layout="NCHW")
    np.testing.assert_array_equal(answer(path).rgb, answer_of(LUMA, twice * [0.1, 0.2] + 0.01).rgb)
    path = two_of(tmp_path / "b.onnx", CARD.replace("luma", "gray rgb") + "scale = 0.2", channels=3)
    np.testing.assert_array_equal(answer(path).rgb, answer_of(LUMA, np.dstack([LUMA] * 2) * 0.2).rgb)

    card = CARD.replace("luma", "L").replace("[output]", "scale = 0.01\noffset = -0.5\n[output]").replace("uv", "ab")
    found = answer(two_of(tmp_path / "c.onnx", card + "scale = 40"))
    lightness = lab(RGB)[..., 0]
    np.testing.assert_allclose(found.lab[..., 0], lightness)
    np.testing.assert_allclose(found.lab[..., 1], 0.4 * lightness - 20, atol=1e-3)
    inside = np.abs(found.lab - lab(found.rgb)).max(axis=-1) < 1.5  # the others were clipped
    assert 0.3 < inside.mean() < 1
    assert found.squeezed == pytest.approx(1 - inside.mean(), abs=0.1)


@pytest.mark.needs("onnx", "onnxruntime")
def test_of_rgb_u_and_v_count_alone(tmp_path):
    import onnx

    tint = onnx.numpy_helper.from_array(np.array([0.5, 0.2, -0.1], np.float32), "tint")
    path = write(
        tmp_path / "a.onnx",
        [("Mul", ["x", "tint"], ["y"], {})],
        {"x": ["b", "h", "w", 3]},
        {"y": ["b", "h", "w", 3]},
        [tint],
        CARD.replace("luma", "gray rgb").replace("uv", "rgb"),
    )
    wanted = split_luma(np.clip(LUMA * [0.5, 0.2, -0.1], 0, 1))[1]
    found = answer(path).rgb
    np.testing.assert_allclose(found.astype(int), answer_of(LUMA, wanted).rgb, atol=1)
    np.testing.assert_allclose(split_luma(found / 255)[0], LUMA, atol=0.003)


@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize("fixed", [(16, 24), (64, 80), (16, 96)])
def test_a_fixed_size_is_brought_up_to_the_picture(tmp_path, fixed):
    path = two_of(tmp_path / "a.onnx", CARD + "scale = 0.3", fixed=fixed)  # the graph says it
    free = two_of(tmp_path / "b.onnx", CARD.replace("[output]", f"size = {list(fixed)}\n[output]") + "scale = 0.3")
    found = answer(path).rgb
    np.testing.assert_array_equal(found, answer(free).rgb)
    near = answer_of(LUMA, np.dstack([LUMA] * 2) * 0.3).rgb
    assert np.abs(found.astype(int) - near).mean() < 8
    if fixed == (16, 24):
        method = Image.Resampling.BOX
        small = np.asarray(Image.fromarray(LUMA[..., 0]).resize(fixed[::-1], method))
        wanted = answer_of(LUMA, bring_up(LUMA[..., 0], np.dstack([small] * 2) * np.float32(0.3))).rgb
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.needs("onnx", "onnxruntime")
def test_other_inputs_get_zeros_where_the_card_says_so(tmp_path):
    nodes = [("ReduceMax", ["more"], ["m"], {"keepdims": 1}), ("Concat", ["x", "x"], ["xx"], {"axis": 3})]
    nodes += [("Add", ["xx", "m"], ["y"], {})]
    inputs = {"x": ["b", "h", "w", 1], "more": ["b", "hh", "ww", 3]}
    made = (tmp_path / "a.onnx", nodes, inputs, {"y": ["b", "h", "w", 2]})
    with pytest.raises(UsageError, match="name the one of the picture"):
        answer(write(*made))
    named = CARD.replace("[output]", 'name = "x"\n[output]')
    with pytest.raises(UsageError, match="it has an input 'more' besides 'x'"):
        answer(write(*made, card=named))
    with pytest.raises(UsageError, match="it has no input 'mroe'; its inputs: x, more"):
        answer(write(*made, card=named.replace("[output]", "zeros = { mroe = 1 }\n[output]")))
    found = answer(write(*made, card=named.replace("[output]", "zeros = { more = 4 }\n[output]")))
    np.testing.assert_array_equal(found.rgb, answer_of(LUMA, np.dstack([LUMA] * 2)).rgb)


@pytest.mark.needs("onnx", "onnxruntime")
@pytest.mark.parametrize(
    ("card", "settings", "message"),
    [
        (CARD.replace("luma", "gray rgb"), {}, r"input 'x' has the shape .* wants \(1, H, W, 3\); mend its card"),
        (CARD.replace("NHWC", "NCHW", 1), {}, r"wants \(1, 1, H, W\)"),
        (CARD.replace("uv", "rgb"), {}, r"output 'y' has the shape .* wants \(1, H, W, 3\)"),
        (CARD.replace("[output]", "size = [8, 9]\n[output]"), {"fixed": (8, 8)}, r"another size \[8, 9\]"),
        (CARD + 'name = "z"', {}, "it has no output 'z'; its outputs: y"),
    ],
)
def test_cards_that_do_not_fit_the_graph_are_refused(tmp_path, card, settings, message):
    path = two_of(tmp_path / "a.onnx", card, **settings)
    with pytest.raises(UsageError, match=message) as caught:
        OnnxModel(path, None, 0)
    assert str(path) in str(caught.value)


@pytest.mark.needs("onnx", "onnxruntime")
def test_a_card_lies_beside_or_within_and_names_the_model(tmp_path):
    path = two_of(tmp_path / "a.onnx", f'name = "Theirs"\nlicence = "MIT"\n{CARD}')
    model = OnnxModel(path, None, 0)
    assert model.ways == (Way("Theirs", "foreign"),)
    assert (model.about["from"], model.about["licence"]) == ("onnx:a.onnx", "MIT")
    assert OnnxModel(path, "mine", 0).ways[0].label == "mine"
    path.with_suffix(".toml").unlink()
    with pytest.raises(UsageError, match=r"nothing says what it takes and gives; write .*a\.toml"):
        OnnxModel(path, None, 0)
    import onnx

    proto = onnx.load(path)
    onnx.helper.set_model_props(proto, {CARD_KEY: CARD.replace("uv", "logits")})
    onnx.save(proto, path)
    with pytest.raises(UsageError, match=r"a\.onnx, its card within: output\.color must be one of"):
        OnnxModel(path, None, 0)


@pytest.mark.needs("onnx", "onnxruntime")
def test_onnx_files_that_fail_are_named(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no model at all")
    with pytest.raises(UsageError, match=r"a\.onnx cannot be loaded"):
        OnnxModel(tmp_path / "a.onnx", None, 0)
    import onnx

    wrong = onnx.numpy_helper.from_array(np.zeros((1, 9, 9, 2), np.float32), "wrong")
    shapes = {"x": ["b", "h", "w", 1]}, {"y": ["b", "h", "w", 2]}
    path = write(tmp_path / "b.onnx", [("Add", ["x", "wrong"], ["y"], {})], *shapes, [wrong])
    with pytest.raises(UsageError, match=r"b\.onnx: on test/a\.png, shown as \(1, 40, 48, 1\), it failed"):
        answer(path)
    nothing = onnx.numpy_helper.from_array(np.full((1, 1, 1, 2), np.inf, np.float32), "nothing")
    path = write(tmp_path / "c.onnx", [("Add", ["x", "nothing"], ["y"], {})], *shapes, [nothing])
    with pytest.raises(UsageError, match="values that are not finite"):
        answer(path)


@pytest.mark.needs("onnx", "onnxruntime")
def test_weights_outside_of_a_model_s_folder_are_refused(tmp_path):
    import onnx

    (tmp_path / "inside").mkdir()
    weights = np.array([[[[0.1, 0.2]]]], np.float32)
    for name in ("inside/w.bin", "w.bin"):
        (tmp_path / name).write_bytes(weights.tobytes())
    (tmp_path / "inside" / "link.bin").symlink_to(tmp_path / "w.bin")

    def model(location: str) -> Path:
        tensor = onnx.TensorProto(name="w", data_type=1, dims=[1, 1, 1, 2], data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=location)
        shapes = {"x": ["b", "h", "w", 1]}, {"y": ["b", "h", "w", 2]}
        return write(tmp_path / "inside" / "a.onnx", [("Mul", ["x", "w"], ["y"], {})], *shapes, [tensor])

    np.testing.assert_array_equal(answer(model("w.bin")).rgb, answer_of(LUMA, LUMA * [0.1, 0.2]).rgb)
    for location in ("../w.bin", str(tmp_path / "w.bin"), "link.bin"):
        with pytest.raises(UsageError, match="cannot be loaded: .*[Ee]xternal data path"):
            OnnxModel(model(location), None, 0)


def test_without_onnx_runtime_the_extra_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.onnx").write_bytes(b"")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name))
    with pytest.raises(UsageError, match=r'package onnxruntime: pip install "keras-colorization-zoo\[onnx\]"'):
        OnnxModel(tmp_path / "a.onnx", None, 0)


@pytest.mark.needs("onnxruntime", "tf2onnx")
def test_exports_of_every_kind_bring_a_card(light_encoders, tmp_path):
    """The side that a model sees, a smaller answer, hints that are not given: all as Keras does without the card."""
    from zoo.chroma.decoders import Decoder
    from zoo.evaluation.candidates import Model
    from zoo.export.formats import FORMATS
    from zoo.export.graph import ExportedGraph

    model = zoo.create("guided", encoder_weights="none", encoder="light_lite0")
    model.save(tmp_path / "guided.keras")
    graph = ExportedGraph(model, Decoder.parse("mean"))
    FORMATS["onnx"].write(graph, tmp_path / "guided.onnx", "float32")
    found = answer(tmp_path / "guided.onnx")
    (wanted,) = Model(tmp_path / "guided.keras", "guided", ["mean"]).answers(SUBJECT)
    np.testing.assert_allclose(found.lab, wanted.lab, atol=0.5)
    assert graph.contract.given
    assert graph.contract.stride > 1
    card = card_of(graph.card, "")
    assert (card.input.side, card.input.zeros) == (graph.contract.side, {"hints": graph.contract.stride})
    quarter = FORMATS["onnx"]
    quarter.write(graph, tmp_path / "small.onnx", "int8")
    assert OnnxModel(tmp_path / "small.onnx", None, 0).ways[0].label == "small"
