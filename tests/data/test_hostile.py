"""Files from strangers: archives and images that are made to do harm, and model files that bring code."""

import io
import os
import signal
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from fuzz import KINDS, MEMORY_BOUND, SUBJECTS, fuzz, good_files, mutants, peak_memory
from PIL import Image

import zoo
from zoo import colorize
from zoo.data.dataset import open_dataset
from zoo.data.decode import MAX_PIXELS, decode_rgb, read_header
from zoo.data.image_files import MAX_ARCHIVE_ENTRIES, is_archive
from zoo.errors import ImageError, UsageError


def archive_of(entries: int, folder: Path, *, zip64: bool) -> Path:
    """A zip file with a directory of that many empty entries, written by hand: `zipfile` would take a minute."""
    entry = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0) + b"a.png"
    size = len(entry) * entries
    path = folder / f"{entries}-{zip64}.cbz"
    with open(path, "wb") as file:
        for _ in range(10):
            file.write(entry * (entries // 10))
        if zip64:
            file.write(struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, entries, entries, size, 0))
            file.write(struct.pack("<4sIQI", b"PK\6\7", 0, size, 1))
        few, small = (0xFFFF, 0xFFFFFFFF) if zip64 else (entries % 65536, size)
        file.write(struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, few, few, small, 0, 0))
    return path


@pytest.mark.parametrize("zip64", [False, True])
def test_an_archive_of_a_million_entries_is_refused_before_it_is_read(tmp_path, zip64):
    path = archive_of(1_000_000, tmp_path, zip64=zip64)
    before = peak_memory()
    with pytest.raises(UsageError, match=f"{path.name}: more than {MAX_ARCHIVE_ENTRIES} entries; unpack it"):
        open_dataset(path, crop=16)
    assert peak_memory() - before < 20_000_000


def test_an_archive_of_too_many_entries_is_refused(tmp_path):
    path = archive_of(MAX_ARCHIVE_ENTRIES + 10, tmp_path, zip64=True)
    with pytest.raises(UsageError, match=f"more than {MAX_ARCHIVE_ENTRIES} entries"):
        open_dataset(path, crop=16)


def test_nothing_is_extracted_and_no_link_is_followed(tmp_path):
    (tmp_path / "in").mkdir()
    book = tmp_path / "in" / "book.cbz"
    book.write_bytes(good_files(np.random.default_rng(0))["cbz"][1])
    dataset = open_dataset(book, crop=16, max_bad=1.0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [book]
    assert dict(dataset.skipped)["link.png"] == "not an image (it looks like a text file)"
    names = [image.name for split in dataset.splits.values() for image in split.images]
    assert "../../etc/outside.png" in names + list(dataset.duplicates)  # read in place, under the name that it has
    assert all(name.isprintable() for name in names)


def png(width: int, height: int, content: bytes) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def tiff(**changes: int) -> bytes:
    """A TIFF of 16 x 16 grey pixels in a tile, by hand; the changes are to values of its tags."""
    tags = {"t256": 16, "t257": 16, "t258": 8, "t259": 1, "t262": 1, "t322": 16, "t323": 16, "t324": 8, "t325": 256}
    entries = [struct.pack("<HHII", int(tag[1:]), 4, 1, value) for tag, value in (tags | changes).items()]
    return (
        b"II*\0" + struct.pack("<I", 264) + bytes(256) + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    )


GIF = b"GIF89a" + struct.pack("<2H3B", 9000, 9000, 0, 0, 0) + b"," + struct.pack("<4HB", 0, 0, 9000, 9000, 0) + b"\2"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (
            png(10_000, 9_000, zlib.compress(bytes(1000))),
            "10000 x 9000 pixels in .* truncated, or a decompression bomb",
        ),
        (png(20_000, 20_000, b""), "20000 x 20000 pixels: a decompression bomb"),
        (GIF, "9000 x 9000 pixels in"),
        (tiff(t256=9000, t257=9000, t322=4096, t323=4096), "truncated"),
        (tiff(t256=1 << 20, t257=16_000, t259=4, t322=1 << 20, t323=16_000), "1048576 x 16000 pixels"),
        (tiff(t259=5, t322=60_000, t323=60_000), "tiles of 60000 x 60000 pixels: a decompression bomb"),
        (tiff(t322=0), "damaged"),
        (tiff(t277=60_000), "60000 samples a pixel"),
        (tiff(t325=1 << 31), "truncated"),
        (tiff(t324=1 << 31), "truncated"),
        (tiff(t259=34925), "a TIFF compressed by method 34925, which is not read: save it with LZW or deflate"),
    ],
    ids=["png-small", "png-large", "gif", *(f"tiff-{index}" for index in range(8))],
)
def test_images_that_cannot_be_what_they_say_take_no_memory(data, reason):
    before = peak_memory()
    with pytest.raises(ImageError, match=reason):
        decode_rgb(data)
    assert peak_memory() - before < 20_000_000


def test_the_hand_made_tiff_is_read():
    assert decode_rgb(tiff()).shape == (16, 16, 3)


def test_a_blank_page_of_many_pixels_is_no_bomb():
    stream = io.BytesIO()
    Image.new("1", (9_000, 6_000), 1).save(stream, "PNG", optimize=True)
    assert read_header(stream.getvalue()).width == 9_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("WEBP", "RGBA"), ("JPEG", "CMYK"), ("PNG", "I;16"), ("TIFF", "RGBA")]
)
def test_the_largest_image_stays_within_the_stated_memory(tmp_path, kind, mode):
    """In a process of its own: a peak cannot be taken back."""
    side = 7_071 if mode == "I;16" else 10_000
    assert 0.99 < side**2 * (1 + (mode == "I;16")) / MAX_PIXELS <= 1
    path = tmp_path / "large"
    options = {"WEBP": {"lossless": True, "method": 0}, "TIFF": {"compression": "tiff_lzw"}}
    Image.new(mode, (side, side)).save(path, kind, **options.get(kind, {}))
    program = (
        "import sys; from fuzz import peak_memory; from zoo.data.decode import decode_rgb;"
        "data = open(sys.argv[1], 'rb').read(); before = peak_memory(); decode_rgb(data); print(peak_memory() - before)"
    )
    here = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "helpers")}
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, check=True, env=here)
    print(kind, mode, done.stdout)
    assert int(done.stdout) < MEMORY_BOUND


def test_what_tensorflow_refuses_and_pillow_reads_is_named(tmp_path):
    """A PNG with a chunk that libpng must understand and does not; it is cut out before Pillow sees it."""
    from zoo.data.pipeline import crop_batches, iterate
    from zoo.errors import RunError

    good = good_files(np.random.default_rng(0))
    chunk = struct.pack(">I4sI", 0, b"ODDX", zlib.crc32(b"ODDX"))
    files = {"train/odd.png": good["png"][0][:33] + chunk + good["png"][0][33:], "val/good.jpg": good["jpeg"][0]}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(content)
    split = open_dataset(tmp_path, crop=16).splits["train"]
    assert [image.name for image in split.images] == ["train/odd.png"]
    batches = iterate(crop_batches(split, batch_size=1, crop=16, seed=0), split)
    with pytest.raises(RunError, match=r"train/odd.png is damaged in a way that TensorFlow's decoder refuses"):
        next(batches)
    decoded = iterate(crop_batches(split, batch_size=1, crop=16, seed=0, cache="memory"), split)
    assert next(decoded).shape == (1, 16, 16, 3)


@pytest.fixture
def no_hang():
    """Fails what waits for a pipe, where it would wait for ever."""

    def late(*_):
        raise TimeoutError("it waits for a pipe")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
@pytest.mark.parametrize("name", ["pipe.cbz", "pipe.pdf", "pipe.png", "endless.cbz", "circle.cbz", "circle.png"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path, no_hang, capsys, name):
    path = tmp_path / "in" / name
    path.parent.mkdir()
    if name.startswith("pipe"):
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if name.startswith("endless") else path)
    for inputs in (path, path.parent):
        code = colorize.main(["residual:procedural", str(inputs), "-o", str(tmp_path / "out")])
        assert code != 0
        assert name in capsys.readouterr().err
    with pytest.raises(UsageError, match="circle|pipe|endless|no images"):
        open_dataset(path if is_archive(path) else path.parent, crop=16)


def test_an_archive_entry_without_a_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as archive:
        for index, content in enumerate(good_files(np.random.default_rng(0))["jpeg"][:3]):
            archive.writestr(f"{index}.jpg", content)
        archive.writestr(zipfile.ZipInfo(""), b"nameless")
    assert open_dataset(tmp_path / "book.cbz", crop=16).outside == 0


def test_a_model_file_brings_no_code(tmp_path):
    import keras

    x = keras.Input((None, None, 1))
    model = keras.Model(x, keras.layers.Lambda(lambda t: t * 2)(x))
    model.save(tmp_path / "evil.keras")
    with pytest.raises(UsageError, match=r"evil.keras is not a model of this zoo"):
        zoo.load(tmp_path / "evil.keras")


def test_a_damaged_model_file_is_named(tmp_path):
    model = zoo.create("residual", encoder_weights="none")
    model.save(tmp_path / "good.keras")
    content = (tmp_path / "good.keras").read_bytes()
    for name, bad in {"cut": content[: len(content) // 2], "empty": b"", "zeros": bytes(1000)}.items():
        path = tmp_path / f"{name}.keras"
        path.write_bytes(bad)
        with pytest.raises(UsageError, match=rf"{name}.keras is not a model of this zoo"):
            zoo.load(path)
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as archive:
        archive.writestr("../../config.json", "{}")
    with pytest.raises(UsageError, match=r"other.keras is not a model of this zoo"):
        zoo.load(tmp_path / "other.keras")


def test_a_model_file_of_no_numbers_is_named(tmp_path):
    model = zoo.create("residual", encoder_weights="none")
    weight = model.weights[-1]
    weight.assign(np.full(weight.shape, np.nan))
    model.save(tmp_path / "nan.keras")
    with pytest.raises(UsageError, match=r"nan.keras: the weight .* has values that are not finite"):
        zoo.load(tmp_path / "nan.keras")


def test_mutants_do_not_depend_on_the_machine():
    first, again, other = mutants(3, 20), mutants(3, 20), mutants(4, 20)
    assert first == again
    assert first != other


def test_fuzz():
    found = fuzz("images", 100, seed=100)
    assert found.problems == {}
    counts = found.counts
    for kind in KINDS:
        assert counts[kind] >= 16
        assert counts[f"{kind} refused"]
        assert counts[f"{kind} read"]
    assert counts["coloured"] > 25


@pytest.mark.parametrize("subject", [each for each in SUBJECTS if each != "images"])
def test_fuzz_of_all_that_is_given(subject):
    found = fuzz(subject, 24, seed=100)
    assert found.problems == {}
    assert found.counts["cases"] == 24
    assert found.counts["refused"] >= 5
    assert found.counts["done"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("subject", "count"), [(each, 6000 if each == "images" else 5000) for each in SUBJECTS])
def test_fuzz_long(subject, count):
    assert fuzz(subject, count, seed=1).problems == {}
