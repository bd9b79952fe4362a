"""DDColor: its layers beside plain forms of them, its published weights, and the authors' network beside ours."""

import importlib
import importlib.util
import re
import sys
import types

import keras
import numpy as np
import pytest
import torch_files as files

import zoo
from zoo import convert as command
from zoo.errors import UsageError
from zoo.models.converting.dual_decoders import MODULES, module_of, size_of, sources_of_dual_decoders
from zoo.models.converting.published import PUBLISHED, convert, read_weights
from zoo.models.converting.state_dicts import StoredTensor
from zoo.models.field.ddcolor import DEVIATION, MEAN, SIZES
from zoo.models.layers import (
    GELU,
    LayerScale,
    Queries,
    QueryAttention,
    QueryColors,
    ScaledImage,
    ShuffledUpsampling,
    SinePositions,
    SubpixelInitializer,
)

RNG = np.random.default_rng(0)


def numpy(x) -> np.ndarray:
    return keras.ops.convert_to_numpy(x)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype(np.float32)


# Layers.


def upsampled(x: np.ndarray, factor: int) -> np.ndarray:
    """A shuffle and a blur, pixel by pixel."""
    batch, height, width, channels = x.shape
    count = channels // factor**2
    large = np.empty((batch, height * factor, width * factor, count), x.dtype)
    for row in range(factor):
        for column in range(factor):
            first = (row * factor + column) * count
            large[:, row::factor, column::factor] = x[..., first : first + count]
    padded = np.pad(large, ((0, 0), (1, 0), (1, 0), (0, 0)), mode="edge")
    return (padded[:, 1:, 1:] + padded[:, :-1, 1:] + padded[:, 1:, :-1] + padded[:, :-1, :-1]) / 4


@pytest.mark.parametrize(("factor", "size"), [(2, (3, 5)), (4, (1, 2))])
def test_channels_become_pixels_and_are_blurred(factor, size):
    x = normal(2, *size, 3 * factor**2)
    np.testing.assert_allclose(numpy(ShuffledUpsampling(factor)(x)), upsampled(x, factor), atol=1e-6)


def test_a_shuffle_begins_as_an_upsampling_without_a_checkerboard():
    kernel = numpy(SubpixelInitializer(keras.initializers.HeNormal(seed=1), 2)((1, 1, 8, 12)))
    assert kernel.std() == pytest.approx(0.5, rel=0.3)  # of 8 channels that go in, not of 32
    np.testing.assert_array_equal(kernel.reshape(8, 4, 3), kernel.reshape(8, 4, 3)[:, :1].repeat(4, 1))
    assert len(np.unique(kernel)) == 8 * 3


def test_rows_and_columns_have_sines_and_cosines():
    height, width, channels = 3, 5, 8
    found = numpy(SinePositions()(np.zeros((2, height, width, channels), np.float32)))
    for row in range(height):
        for column in range(width):
            y, x = ((at + 1) / (count + 1e-6) * 2 * np.pi for at, count in ((row, height), (column, width)))
            expected = [f(each / 10_000**power) for each in (y, x) for power in (0, 0.5) for f in (np.sin, np.cos)]
            np.testing.assert_allclose(found[:, row, column], [expected] * 2, atol=1e-5)


def test_gelu_is_the_exact_one():
    x = np.linspace(-6, 6, 101, dtype=np.float32)
    np.testing.assert_allclose(numpy(GELU()(x)), numpy(keras.ops.gelu(x, approximate=False)), atol=1e-6)


def test_attention_is_keras_s_without_a_bias_of_keys():
    query, key, value = normal(2, 5, 12), normal(2, 7, 12), normal(2, 7, 12)
    ours = QueryAttention(3, seed=1)
    ours([query, key, value])
    kernels = [numpy(each) for each in (ours.query_kernel, ours.key_kernel, ours.value_kernel, ours.output_kernel)]
    assert len({each.tobytes() for each in kernels}) == 4  # of one seed
    ours.set_weights([normal(*each.shape) for each in ours.weights])
    theirs = keras.layers.MultiHeadAttention(3, 4)
    theirs(query, value, key)
    whole = [ours.query_kernel, ours.query_bias, ours.key_kernel, normal(12)]
    whole += [ours.value_kernel, ours.value_bias, ours.output_kernel, ours.output_bias]
    theirs.set_weights([numpy(a).reshape(b.shape) for a, b in zip(whole, theirs.weights, strict=True)])
    np.testing.assert_allclose(numpy(ours([query, key, value])), numpy(theirs(query, value, key)), atol=1e-4)


def test_colours_are_those_of_the_maps_that_are_never_built():
    embeddings, features, image = normal(2, 6, 5), normal(2, 3, 4, 4 * 5), normal(2, 6, 8, 3)
    layer = QueryColors(2)
    layer([embeddings, features, image])
    kernel, bias = normal(9, 2), normal(2)
    layer.set_weights([kernel, bias])
    maps = np.einsum("bqc,bhwc->bhwq", embeddings, upsampled(features, 2))
    expected = np.concatenate([maps, image], axis=-1) @ kernel + bias
    np.testing.assert_allclose(numpy(layer([embeddings, features, image])), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (Queries(3, 4, keras.initializers.RandomNormal(seed=1)), [(2, 5, 5, 1)]),
        (QueryAttention(2, 7), [(2, 3, 4), (2, 5, 4), (2, 5, 4)]),
        (QueryColors(2), [(2, 6, 5), (2, 3, 4, 20), (2, 6, 8, 3)]),
        (LayerScale(0.25), [(2, 3, 4)]),
        (ScaledImage([1, 2, 3], (4, 5, 6)), [(2, 3, 4, 1)]),
        (keras.layers.Conv2D(8, 1, kernel_initializer=SubpixelInitializer("he_normal", 2)), [(1, 2, 2, 3)]),
    ],
    ids=lambda each: type(each).__name__,
)
def test_a_layer_comes_back_from_its_configuration(layer, shapes):
    inputs = [normal(*shape) for shape in shapes]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    expected = layer(inputs)
    twin = type(layer).from_config(layer.get_config())
    twin(inputs)
    twin.set_weights(layer.get_weights())
    np.testing.assert_array_equal(numpy(twin(inputs)), numpy(expected))


# The network.


def test_it_is_luma_three_times_in_imagenet_s_standard_deviations(mini):
    luma = normal(1, 32, 32, 1)
    found = numpy(mini.get_layer("preprocess")(luma))
    np.testing.assert_allclose(found, (luma.repeat(3, -1) - MEAN) / DEVIATION, atol=1e-5)


def test_it_begins_near_grey(mini):
    uv = numpy(mini(RNG.random((2, 64, 64, 1), dtype=np.float32)))
    assert 0 < np.abs(uv).max() < 0.05


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_queries_begin_apart(seed):
    """Where all are one colour, a* is the same multiple of b* everywhere, and training does not get out of it soon."""
    model = zoo.create("ddcolor", size="mini", seed=seed)
    layers = [model.get_layer(name).output for name in ("queries_norm", "head_colors")]
    found, ab = map(numpy, keras.Model(model.inputs[0], layers)(RNG.random((2, 64, 64, 1), dtype=np.float32)))
    assert (found - found.mean(axis=1, keepdims=True)).std() > 0.7  # of 1
    ratio = np.linalg.svd(ab.reshape(-1, 2) - ab.mean(axis=(0, 1, 2)), compute_uv=False)
    assert ratio[1] > 0.25 * ratio[0]


@pytest.fixture(scope="module")
def mini():
    return zoo.create("ddcolor", size="mini", seed=1)


# Weights.


def random_state(model) -> dict[str, np.ndarray]:
    """A state dict of random weights, as PyTorch has them."""
    found = {}
    for _, source in sources_of_dual_decoders(model):
        for name, shape in source.shapes.items():
            found.setdefault(name, RNG.uniform(0.5, 1.5, shape).astype(np.float32))
    for name, shape in PUBLISHED["ddcolor"].left_out.items():
        found[name] = np.ones([5 for _ in shape], np.float32)
    found |= {"mean": np.array(MEAN, "<f4").reshape(1, 3, 1, 1), "std": np.array(DEVIATION, "<f4").reshape(1, 3, 1, 1)}
    return found


@pytest.fixture(scope="module")
def state(mini) -> dict[str, np.ndarray]:
    return random_state(mini)


def converted(path, arrays):
    path.write_bytes(files.safetensors(arrays))
    return convert(read_weights("ddcolor", path))


def test_every_layer_with_weights_has_a_module_of_its_own(mini):
    names = [layer.name for layer in mini.layers if layer.weights]
    assert len({module_of(name) for name in names}) == len(names)
    assert all(any(re.fullmatch(pattern, name) for name in names) for pattern in MODULES)
    with pytest.raises(LookupError, match="no module is known for the layer trunk"):
        module_of("trunk")


def test_every_weight_finds_its_place(tmp_path, state):
    model = converted(tmp_path / "x.safetensors", state)
    assert model.get_layer("queries").count == SIZES["mini"].queries
    assert model.contract.side == 512
    held = {f"{layer.name}/{each.name}": numpy(each) for layer in model.layers for each in layer.weights}
    stage = "encoder.arch.stages.2.1"
    same = np.testing.assert_array_equal
    same(held["stem/kernel"], state["encoder.arch.downsample_layers.0.0.weight"].transpose(2, 3, 1, 0))
    same(held["down2/bias"], state["encoder.arch.downsample_layers.2.1.bias"])
    same(held["stage2_block1_conv/kernel"][..., 0], state[f"{stage}.dwconv.weight"][:, 0].transpose(1, 2, 0))
    same(held["stage2_block1_wide/kernel"], state[f"{stage}.pwconv1.weight"].T)
    same(held["stage2_block1_scale/gamma"], state[f"{stage}.gamma"])
    same(held["stage3_norm/gamma"], state["encoder.arch.norm3.weight"])
    same(held["up1_short_bn/moving_variance"], state["decoder.layers.1.bn.running_var"])
    # The norm, by the two vectors that are kept of its estimation.
    weight, u, v = (state[f"decoder.layers.1.conv.0.weight_{part}"] for part in ("orig", "u", "v"))
    normed = weight / (u @ weight.reshape(len(weight), -1) @ v)
    np.testing.assert_allclose(held["up1_conv/kernel"], normed.transpose(2, 3, 1, 0), rtol=1e-4)
    # The four pixels of a cell lie together here, and apart there.
    there = state["decoder.layers.0.shuf.conv.1.running_mean"].reshape(-1, 4)
    same(held["up0_shuffle_bn/moving_mean"].reshape(4, -1), there.T)
    weight, u, v = (state[f"decoder.last_shuf.conv.0.weight_{part}"] for part in ("orig", "u", "v"))
    normed = (weight / (u @ weight[..., 0, 0] @ v)).reshape(-1, 16, weight.shape[1])
    ours = held["features/kernel"].reshape(weight.shape[1], 16, -1)
    np.testing.assert_allclose(ours, normed.transpose(2, 1, 0), rtol=1e-4)
    # Of the three projections in one tensor, that of keys loses its bias.
    color = "decoder.color_decoder"
    attention, channels = f"{color}.transformer_self_attention_layers.1.self_attn", SIZES["mini"].embedded
    for index, part in enumerate(("query", "key", "value")):
        third = slice(index * channels, (index + 1) * channels)
        same(held[f"layer1_self/{part}_kernel"], state[f"{attention}.in_proj_weight"][third].T)
        if part != "key":
            same(held[f"layer1_self/{part}_bias"], state[f"{attention}.in_proj_bias"][third])
    assert "layer1_self/key_bias" not in held
    level = state[f"{color}.input_proj.2.bias"] + state[f"{color}.level_embed.weight"][2]
    same(held["level2/bias"], level)
    same(held["query_positions/table"], state[f"{color}.query_embed.weight"])
    weight, u, v = (state[f"refine_net.0.0.weight_{part}"] for part in ("orig", "u", "v"))
    normed = weight[..., 0, 0] / (u @ weight[..., 0, 0] @ v)
    np.testing.assert_allclose(held["head_colors/kernel"], normed.T, rtol=1e-4)


def test_every_tensor_is_accounted_for(tmp_path, state):
    path, last = tmp_path / "x.safetensors", "refine_net.0.0.bias"
    four = np.ones(4, np.float32)
    for change, message in (
        ({"encoder.arch.head_cls.weight": np.ones((4, 5), np.float32)}, None),  # which some files have
        ({"decoder.layers.0.bn.num_batches_tracked": np.array(9, "<i8")}, None),
        ({last: None}, f"{last} is missing"),
        ({"encoder.arch.norm.bias": None}, "encoder.arch.norm.bias is missing"),
        ({"more.weight": four}, "more.weight is one too many"),
        ({"decoder.color_decoder.query_feat.weight": four}, "query_feat.weight has the shape"),
        ({"mean": np.zeros((1, 3, 1, 1), np.float32)}, "mean holds other numbers than 0.485, 0.456, 0.406"),
        ({last: np.full(2, np.nan, np.float32)}, f"{last} holds values that are not finite"),
        ({"refine_net.0.0.weight_u": np.zeros(2, np.float32)}, "refine_net.0.0.weight_orig or .*are not finite"),
    ):
        arrays = {name: value for name, value in (state | change).items() if value is not None}
        if message is None:
            converted(path, arrays)
            continue
        with pytest.raises(UsageError, match=f"x.safetensors does not hold the weights of ddcolor: .*{message}"):
            converted(path, arrays)


def test_the_size_is_told_from_the_shapes():
    def size(*shape: int) -> str:
        tensor = StoredTensor("F32", shape, tuple(4 for _ in shape), 0, memoryview(bytes(4 * 4096)))
        return size_of({"encoder.arch.downsample_layers.0.0.weight": tensor})

    assert [size(192), size(96), size(24), size(7)] == ["large", "tiny", "mini", "tiny"]
    assert size_of({}) == "tiny"


def test_a_file_of_basicsr_has_the_state_dict_inside(tmp_path, state):
    inner = files.state({name: files.whole(array, str(index)) for index, (name, array) in enumerate(state.items())})
    stored = {str(index): array.tobytes() for index, array in enumerate(state.values())}
    value = inner[2:-1]  # without the pickle's begin and end
    path = tmp_path / "net_g.pth"
    path.write_bytes(files.zipped(files.state({"params": value}), stored))
    nested = convert(read_weights("ddcolor", path))
    plain = converted(tmp_path / "x.safetensors", state)
    for one, other in zip(nested.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    path.write_bytes(files.zipped(files.state({"params": value, "params_ema": value}), stored))
    with pytest.raises(UsageError, match="'params' in it is no tensor"):
        read_weights("ddcolor", path)


# The authors' network.

NEEDS = pytest.mark.needs("torch", "modelscope")
HEIGHTS_AND_WIDTHS = [(64, 96), (32, 32), (96, 64)]


@pytest.fixture(scope="module")
def theirs():
    """The authors' network of the size tiny, its weights and averages random and far from their initial ones.

    Of the package there is taken what defines it, file by file: as a whole it asks for many more.
    """
    import torch

    (root,) = importlib.util.find_spec("modelscope").submodule_search_locations
    package = types.ModuleType("authors_ddcolor")
    package.__path__ = [f"{root}/models/cv/image_colorization/ddcolor"]
    timm = types.ModuleType("timm.models.layers")  # of which two functions are imported
    timm.DropPath, timm.trunc_normal_ = torch.nn.Identity, torch.nn.init.trunc_normal_
    with pytest.MonkeyPatch.context() as patch:
        for name in ("timm", "timm.models"):
            patch.setitem(sys.modules, name, types.ModuleType(name))
        patch.setitem(sys.modules, timm.__name__, timm)
        patch.setitem(sys.modules, package.__name__, package)
        network = importlib.import_module("authors_ddcolor.ddcolor").DDColor
    torch.manual_seed(0)
    found = network("convnext-t", input_size=(64, 64))
    found.train()
    with torch.no_grad():
        for _ in range(3):  # so that spectral norms are estimated
            found(torch.rand(2, 3, 64, 64))
        for name, value in found.state_dict().items():
            if name.endswith(("weight_u", "weight_v")) or name in ("mean", "std"):
                continue
            if name.endswith(("running_var", "gamma")) or (value.ndim == 1 and name.endswith("weight")):
                value.uniform_(0.5, 1.5)
            elif name.endswith(("running_mean", "bias")):
                value.normal_(0, 0.2)
    return found.eval()


@NEEDS
def test_it_answers_as_the_authors_network_does(theirs, tmp_path, capsys):
    import torch

    torch.save({"params": theirs.state_dict()}, tmp_path / "pytorch_model.pt")
    arguments = ["ddcolor", tmp_path / "pytorch_model.pt", "-o", tmp_path / "model.keras"]
    assert command.main([str(each) for each in arguments]) == 0
    out = capsys.readouterr().out
    for words in ("ddcolor, 55,013,872 weights", "no digest of the published", "Apache-2.0", "Left out: encoder.arch"):
        assert words in out
    model = zoo.load(tmp_path / "model.keras")
    ours = keras.Model(model.inputs[0], model.get_layer("head_crop").output)
    for height, width in HEIGHTS_AND_WIDTHS:
        luma = np.random.default_rng(height).random((1, height, width, 1), dtype=np.float32)
        with torch.no_grad():
            expected = theirs(torch.tensor(luma.repeat(3, -1).transpose(0, 3, 1, 2))).numpy().transpose(0, 2, 3, 1)
        assert np.ptp(expected) > 1
        np.testing.assert_allclose(numpy(ours(luma)), expected, atol=1e-4)
