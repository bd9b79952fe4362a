"""`python -m zoo.convert`: files of PyTorch are read as data, accounted for tensor by tensor, and answer the same."""

import hashlib
import json
import os
import pickle
import struct
import sys
import types
import zipfile

import keras
import numpy as np
import pytest
import torch_files as files
from field import small
from PIL import Image

import zoo
from zoo import convert as command
from zoo.chroma.lab_bins import AB_CENTERS
from zoo.errors import UsageError
from zoo.models.converting.published import PUBLISHED, convert, read_weights
from zoo.models.converting.state_dicts import read_state
from zoo.models.layers.lab import uv_to_ab

LAYERED = [name for name, each in PUBLISHED.items() if each.layers]  # test_ddcolor.py has the other
RNG = np.random.default_rng(0)
ARRAYS = {
    "single": RNG.normal(size=(2, 3, 4)).astype("<f4"),
    "half": RNG.normal(size=(5,)).astype("<f2"),
    "count": np.array(7, "<i8"),
    "empty": np.zeros((0, 3), "<f4"),
}
FOUR = np.arange(4, dtype="<f4")


def one(value: bytes, stored: bytes = FOUR.tobytes()) -> bytes:
    """A file whose state dict holds one value, and a storage "0"."""
    return files.zipped(files.state({"x": value}), {"0": stored})


def plain(count: int = 4, kind: str = "FloatStorage") -> bytes:
    return files.storage("0", kind, count)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_file_that_is_made_by_hand_is_read(form):
    if form == "legacy":
        keys = {str(index): (array.size, array.tobytes()) for index, array in enumerate(ARRAYS.values())}
        pickled = files.state({name: files.whole(a, key) for key, (name, a) in zip(keys, ARRAYS.items(), strict=True)})
        data = files.legacy(pickled, keys)
    else:
        data = {"zip": files.zipped_arrays, "safetensors": files.safetensors}[form](ARRAYS)
    found = read_state(data, form)
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        values = found[name].array()
        assert values.dtype == (np.int64 if name == "count" else np.float32)
        np.testing.assert_array_equal(values, array)


def test_strides_offsets_and_bfloat16_are_honoured():
    shared = np.arange(12, dtype="<f4")
    values = {
        "turned": files.tensor(plain(12), (4, 3), (1, 4)),
        "part": files.tensor(plain(12), (2, 2), (4, 1), offset=5),
        "brain": files.tensor(files.storage("1", "BFloat16Storage", 3), (3,), (1,)),
    }
    brain = (np.array([1.5, -2.0, 0.0], "<f4").view(np.uint32) >> 16).astype("<u2")
    found = read_state(files.zipped(files.state(values), {"0": shared.tobytes(), "1": brain.tobytes()}), "x")
    np.testing.assert_array_equal(found["turned"].array(), shared.reshape(3, 4).T)
    np.testing.assert_array_equal(found["part"].array(), [[5, 6], [9, 10]])
    np.testing.assert_array_equal(found["brain"].array(), [1.5, -2.0, 0.0])


class Harmful:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_nothing_in_a_file_of_weights_is_run(tmp_path, protocol):
    pickled = pickle.dumps({"x": Harmful(tmp_path / "made")}, protocol)
    in_stream = files.legacy(pickled, {})
    for data in (files.zipped(pickled, {}), in_stream, pickled):
        with pytest.raises(UsageError, match="weights.pth is (refused|damaged)"):
            read_state(data, "weights.pth")
    assert not (tmp_path / "made").exists()
    if protocol == 2:
        with pytest.raises(UsageError, match=f"its pickle calls {os.mkdir.__module__}.mkdir.*it is not run"):
            read_state(in_stream, "weights.pth")


GONE = files.safetensors({"x": FOUR})
REFUSED = {
    "beyond its storage": (one(files.tensor(plain(), (5,), (1,))), r"leads beyond the 4 elements"),
    "beyond by an offset": (one(files.tensor(plain(), (4,), (1,), 1)), r"leads beyond the 4 elements"),
    "beyond by strides": (one(files.tensor(plain(), (2, 2), (3, 1))), r"leads beyond the 4 elements"),
    "before its storage": (one(files.tensor(plain(), (4,), (1,), -1)), "are no counts"),
    "backwards": (one(files.tensor(plain(), (4,), (-1,), 3)), "are no counts"),
    "one element as many": (one(files.tensor(plain(), (2**30, 2**30), (0, 0))), "leads beyond"),
    "axes without strides": (one(files.tensor(plain(), (2, 2), (1,))), "2 axes and 1 strides"),
    "a longer storage": (one(files.tensor(plain(8), (8,), (1,))), "has 16 bytes, which are not 8 elements"),
    "a shorter storage": (one(files.tensor(plain(2), (2,), (1,))), "has 16 bytes, which are not 2 elements"),
    "no such storage": (one(files.tensor(files.storage("7", "FloatStorage", 4), (4,), (1,))), "damaged"),
    "another type": (one(files.tensor(plain(2, "DoubleStorage"), (2,), (1,))), "of the type torch.DoubleStorage"),
    "an odd persistent id": (one(files.tensor(files.text("0") + b"Q", (4,), (1,))), "not a plain storage"),
    "a view": (
        one(files.tensor(plain().replace(b"tQ", files.text("view") + b"tQ"), (4,), (1,))),
        "not a plain storage",
    ),
    "a storage that is none": (one(files.tensor(b")", (4,), (1,))), "'x' has no storage"),
    "no tensor": (one(files.number(3)), "'x' in it is no tensor"),
    "a model in one piece": (one(files.named("torch.nn", "Conv2d") + b")R"), r"calls torch.nn.Conv2d"),
    "a name that is not called": (one(files.named("os", "system")), "'x' in it is no tensor"),
    "a key that is no text": (files.zipped(b"\x80\x02}())s.", {}), "a tuple where a str belongs"),
    "a list": (files.zipped(b"\x80\x02].", {}), "holds no state dict"),
    "attributes of a name": (files.zipped(b"\x80\x02" + files.named("os", "x") + b"}b.", {}), "a Named where a dict"),
    "another opcode": (files.zipped(b"\x80\x04\x8c\x01a\x8c\x01b\x93.", {}), "the opcode SHORT_BINUNICODE"),
    "nothing on the stack": (files.zipped(b"\x80\x02\x85.", {}), "its pickle is damaged"),
    "no end": (files.zipped(b"\x80\x02}", {}), "refused"),
    "compressed": (files.zipped(files.state({}), {}, zipfile.ZIP_DEFLATED), "compressed"),
    "an archive of something else": (files.zipped(b"", {}).replace(b"data.pkl", b"data.txt"), "without one data.pkl"),
    "a pickle": (pickle.dumps({"x": 3}, 2), "refused|damaged"),
    "storages that are missing": (files.legacy(files.state({"x": files.whole(FOUR, "0")}), {}), "storages are others"),
    "a storage cut off": (
        files.legacy(files.state({"x": files.whole(FOUR, "0")}), {"0": (4, FOUR.tobytes()[:-1])}),
        "or is cut off",
    ),
    "a storage of another size": (
        files.legacy(files.state({"x": files.whole(FOUR, "0")}), {"0": (5, FOUR.tobytes())}),
        "has 5 elements of 4",
    ),
    "safetensors cut off": (GONE[:-1], "beyond the end"),
    "safetensors without a header": (struct.pack("<Q", 2**40) + b"{}", "its header is cut off"),
    "safetensors of another type": (GONE.replace(b"F32", b"F64"), "of the type F64"),
    "safetensors of another shape": (GONE.replace(b"[4]", b"[3]"), "not those of its shape"),
    "safetensors of many axes": (GONE.replace(b"[4]", json.dumps([1] * 9).encode()), "refused|damaged"),
    "text": (b"Not found, sorry", "no file of torch.save"),
    "nothing": (b"", "no file of torch.save"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_file_of_weights_that_is_odd_is_refused_by_name(case):
    data, message = REFUSED[case]
    with pytest.raises(UsageError, match=f"(?s)^weights.pth is .*({message})"):
        read_state(data, "weights.pth")


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_damaged_file_of_weights_is_read_or_refused(form):
    pickled = files.state({"x": files.whole(FOUR, "0")})
    data = {
        "zip": files.zipped(pickled, {"0": FOUR.tobytes()}),
        "legacy": files.legacy(pickled, {"0": (4, FOUR.tobytes())}),
        "safetensors": GONE,
    }[form]
    rng = np.random.default_rng(0)
    refused = 0
    for index in range(400):
        damaged = bytearray(data)
        if index % 2:
            del damaged[rng.integers(len(data)) :]
        else:
            damaged[rng.integers(len(data))] = rng.integers(256)
        try:
            for tensor in read_state(bytes(damaged), "x").values():
                tensor.array()
        except UsageError:
            refused += 1
    assert refused > 200


def theirs(name: str) -> dict[str, np.ndarray]:
    """A state dict of random weights of the small network, as PyTorch has them."""
    found = {}
    model = zoo.create(name, seed=1, **small(name))
    for layer, module in PUBLISHED[name].layers.items():
        held = model.get_layer(layer).get_weights()
        parts = ("weight", "bias") if len(held) == 2 else ("weight", "bias", "running_mean", "running_var")
        for part, value in zip(parts, held, strict=True):
            value = RNG.uniform(0.5, 1.5, value.shape).astype("<f4")
            found[f"{module}.{part}"] = value.transpose(3, 2, 0, 1).copy() if value.ndim == 4 else value
        if len(parts) == 4:
            found[f"{module}.num_batches_tracked"] = np.array(9, "<i8")
    for left, shape in PUBLISHED[name].left_out.items():
        found[left] = np.zeros([32 if size is None else size for size in shape], "<f4")
    if PUBLISHED[name].centers:
        found[PUBLISHED[name].centers] = (AB_CENTERS.T / 110)[..., None, None].astype("<f4")
    return found


@pytest.fixture(scope="module")
def states() -> dict[str, dict[str, np.ndarray]]:
    return {name: theirs(name) for name in LAYERED}


def converted(path, name: str, arrays, **options):
    path.write_bytes(files.safetensors(arrays))
    return convert(read_weights(name, path), **small(name), **options)


@pytest.mark.parametrize("name", LAYERED)
def test_every_weight_finds_its_place(tmp_path, states, name):
    model = converted(tmp_path / "x.safetensors", name, states[name])
    for layer, module in PUBLISHED[name].layers.items():
        kernel, *rest = (np.asarray(weight) for weight in model.get_layer(layer).weights)
        expected = states[name][f"{module}.weight"]
        np.testing.assert_array_equal(kernel, expected.transpose(2, 3, 1, 0) if expected.ndim == 4 else expected)
        np.testing.assert_array_equal(rest[0], states[name][f"{module}.bias"])
        if len(rest) > 1:
            np.testing.assert_array_equal(rest[1], states[name][f"{module}.running_mean"])
            np.testing.assert_array_equal(rest[2], states[name][f"{module}.running_var"])


def test_every_tensor_is_accounted_for(tmp_path, states):
    path, state = tmp_path / "x.safetensors", states["siggraph17"]
    last = "model10.1.bias"
    for change, message in (
        ({last: None}, f"{last} is missing"),
        ({"model_class.0.bias": None}, "model_class.0.bias is missing"),
        ({"more.weight": FOUR}, "more.weight is one too many"),
        ({last: FOUR}, rf"{last} has the shape \(4,\), where \(16\) belongs"),
        (
            {"model_class.0.weight": FOUR},
            r"model_class.0.weight has the shape \(4,\), where \(529, any, 1, 1\) belongs",
        ),
        ({"model1.4.num_batches_tracked": FOUR}, "num_batches_tracked has the shape"),
        ({"model2.4.num_batches_tracked": None}, None),  # of PyTorch before 0.4.1
        ({last: np.full_like(state[last], np.nan)}, f"{last} holds values that are not finite"),
        (dict.fromkeys(state), "is missing; .* and 9. more"),
    ):
        arrays = {name: value for name, value in (state | change).items() if value is not None}
        if message is None:
            converted(path, "siggraph17", arrays)
            continue
        with pytest.raises(UsageError, match=f"x.safetensors does not hold the weights of siggraph17: .*{message}"):
            converted(path, "siggraph17", arrays)


def test_bins_that_are_others_are_refused(tmp_path, states):
    path, state = tmp_path / "x.safetensors", states["eccv16"]
    turned = state | {"model_out.weight": state["model_out.weight"][:, ::-1].copy()}
    with pytest.raises(UsageError, match=r"model_out.weight holds other colours than the centres of the 313 bins"):
        converted(path, "eccv16", turned)
    assert converted(path, "eccv16", turned, any_centers=True).name == "eccv16"


def test_a_name_that_says_a_digest_has_to_be_true(tmp_path):
    data = files.safetensors({"x": FOUR})
    digest = hashlib.sha256(data).hexdigest()
    good, bad = tmp_path / f"weights-{digest[:8]}.pth", tmp_path / "siggraph17-df00044c.pth"
    good.write_bytes(data)
    bad.write_bytes(data)
    assert read_weights("siggraph17", good).digest == digest
    assert not read_weights("siggraph17", good).genuine
    with pytest.raises(UsageError, match=rf"siggraph17-df00044c.pth .*begins with {digest[:8]}, not with df00044c"):
        read_weights("siggraph17", bad)


def run(capsys, *words: object) -> tuple[int, str, str]:
    code = command.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_the_command_refuses_before_it_works(capsys, tmp_path):
    there = tmp_path / "there.keras"
    there.write_text("mine")
    (tmp_path / "x.pth").write_bytes(b"nothing")
    for words, message in (
        (("eccv16", tmp_path / "x.pth", "-o", there), "is there already: give --overwrite to replace it"),
        (("eccv16", tmp_path / "x.pth", "-o", tmp_path / "x.h5"), "a model's file ends with .keras"),
        (("eccv16", tmp_path / "y.pth", "-o", tmp_path / "y.keras"), "y.pth: no such file"),
        (("eccv16", tmp_path / "x.pth", "-o", there, "--overwrite"), "x.pth is refused: it is no file of torch.save"),
    ):
        code, out, err = run(capsys, *words)
        assert (code, out) == (2, "")
        assert message in err
    assert there.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.keras", "x.pth"]


@pytest.fixture(scope="module")
def colorizers():
    """The authors' networks, with weights, averages and biases that are random and far from their initial ones."""
    import torch

    with pytest.MonkeyPatch.context() as patch:
        notebook = types.ModuleType("IPython")  # which the package imports, and does not use
        notebook.embed = None
        patch.setitem(sys.modules, "IPython", notebook)
        import colorizers as package
    torch.manual_seed(0)
    found = {"eccv16": package.eccv16(pretrained=False), "siggraph17": package.siggraph17(pretrained=False)}
    for network in found.values():
        network.eval()
        for name, value in network.state_dict().items():
            if "running_var" in name or (value.ndim == 1 and name.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif "running_mean" in name or name.endswith("bias"):
                value.normal_(0, 0.2)
    centers = torch.tensor(AB_CENTERS.T[..., None, None] / 110)
    found["eccv16"].model_out.weight.data.copy_(centers)
    return found


def luma_and_lab(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Luma (1, H, W, 1) and L* (1, 1, H, W) as scikit-image has it, of smooth shapes."""
    from skimage.color import rgb2lab
    from skimage.transform import resize

    luma = resize(np.random.default_rng(height).random((6, 7)), (height, width)).astype(np.float32)
    return luma[None, ..., None], rgb2lab(np.stack([luma] * 3, axis=-1))[None, None, ..., 0].astype(np.float32)


SIZES = [(32, 48), (64, 40), (8, 16)]


@pytest.fixture(scope="module")
def saved(colorizers, tmp_path_factory):
    """Their weights as PyTorch saves them, the new way and the old, and as safetensors."""
    import torch

    folder = tmp_path_factory.mktemp("weights")
    for name, network in colorizers.items():
        state = network.state_dict()
        torch.save(state, folder / f"{name}-zip.pth")
        torch.save(state, folder / f"{name}-legacy.pth", _use_new_zipfile_serialization=False)
        arrays = {key: np.ascontiguousarray(value.numpy()) for key, value in state.items()}
        (folder / f"{name}.safetensors").write_bytes(files.safetensors(arrays))
    return folder


NEEDS = pytest.mark.needs("torch", "colorizers")


@NEEDS
@pytest.mark.parametrize("name", LAYERED)
def test_the_three_forms_of_pytorch_s_files_hold_the_same(saved, colorizers, name):
    expected = colorizers[name].state_dict()
    for file in (f"{name}-zip.pth", f"{name}-legacy.pth", f"{name}.safetensors"):
        tensors = read_weights(name, saved / file).tensors
        assert list(tensors) == list(expected)
        for key, value in expected.items():
            np.testing.assert_array_equal(tensors[key].array(), value.numpy())


@NEEDS
def test_half_precision_and_slices_of_pytorch_are_read(tmp_path):
    import torch

    values = torch.randn(6, 5)
    state = {"half": values.half(), "brain": values.bfloat16(), "turned": values.T, "part": values[2:4, 1:3]}
    for old in (False, True):
        torch.save(state, tmp_path / "x.pth", _use_new_zipfile_serialization=not old)
        found = read_state((tmp_path / "x.pth").read_bytes(), "x")
        for name, value in state.items():
            np.testing.assert_array_equal(found[name].array(), value.float().numpy())


@NEEDS
def test_eccv16_answers_as_the_authors_network_does(saved, colorizers):
    import torch

    theirs = colorizers["eccv16"]
    model = convert(read_weights("eccv16", saved / "eccv16-zip.pth"))
    ours = keras.Model(model.inputs[0], model.get_layer("head_joint").output)
    for size in SIZES:
        luma, lightness = luma_and_lab(*size)
        found = []
        hook = theirs.model8.register_forward_hook(lambda *args, found=found: found.append(args[-1]))
        with torch.no_grad():
            ab = theirs(torch.tensor(lightness)).numpy().transpose(0, 2, 3, 1)
        hook.remove()
        expected = found[0].numpy().transpose(0, 2, 3, 1)
        logits = keras.ops.convert_to_numpy(ours(luma))
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(logits, expected, atol=1e-4)
        mean = torch.softmax(torch.tensor(logits), -1) @ torch.tensor(AB_CENTERS)
        upsampled = torch.nn.functional.interpolate(mean.permute(0, 3, 1, 2), scale_factor=4, mode="bilinear")
        np.testing.assert_allclose(upsampled.numpy().transpose(0, 2, 3, 1), ab, atol=1e-3)  # a hundredth of a percent


@NEEDS
def test_siggraph17_answers_as_the_authors_network_does(saved, colorizers, tmp_path, capsys):
    """By the command, with and without hints, and pages are coloured with what it makes."""
    import torch

    from zoo import colorize

    data = (saved / "siggraph17-legacy.pth").read_bytes()
    file = tmp_path / f"mine-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    file.write_bytes(data)
    code, out, err = run(capsys, "siggraph17", file, "-o", tmp_path / "model.keras")
    assert code == 0, err
    for words in ("siggraph17, 34,056,834 weights", "not the published siggraph17-df00044c.pth", "BSD 2-clause"):
        assert words in out
    assert "Left out: model_class.0.weight, model_class.0.bias" in out
    model = zoo.load(tmp_path / "model.keras")
    ours = keras.Model(model.inputs, model.get_layer("head_ab").output)
    for size in SIZES:
        luma, lightness = luma_and_lab(*size)
        hints = np.zeros((*luma.shape[:3], 3), np.float32)
        hints[0, 3, 5], hints[0, 6, 2] = (0.1, -0.05, 1), (-0.1, 0.02, 1)
        ab = keras.ops.convert_to_numpy(uv_to_ab(hints[..., :2], luma)) * hints[..., 2:]
        answers = []
        for given, colors in ((0 * hints, 0 * ab), (hints, ab)):
            rest = (torch.tensor(np.moveaxis(each, -1, 1)) for each in (colors, given[..., 2:]))
            with torch.no_grad():
                expected = colorizers["siggraph17"](torch.tensor(lightness), *rest).numpy().transpose(0, 2, 3, 1)
            answer = keras.ops.convert_to_numpy(ours([luma, given]))
            assert np.ptp(expected) > 1
            np.testing.assert_allclose(answer, expected, atol=1e-4)
            answers.append(answer)
        assert np.abs(answers[1] - answers[0]).max() > 1e-2
    grey = Image.fromarray((luma_and_lab(21, 30)[0][0, ..., 0] * 255).astype(np.uint8))
    grey.save(tmp_path / "page.png")
    assert (
        colorize.main([str(tmp_path / each) for each in ("model.keras", "page.png")] + ["-o", str(tmp_path / "c.png")])
        == 0
    )
    with Image.open(tmp_path / "c.png") as image:
        assert image.size == (30, 21)
        assert np.ptp(np.asarray(image).astype(int), axis=-1).max() > 2
