"""`python -m zoo.colorize`: pages in, and pages out."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from coloring import luma_error, page, run, save, save_models
from PIL import Image

from zoo.data.pdf import Renderers
from zoo.pages.colorizer import Colorizer
from zoo.pages.input import find_pages
from zoo.pages.job import Job
from zoo.pages.look import Look
from zoo.pages.output import Output
from zoo.pages.scan import Scan, read_scan


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


def test_depth_alpha_and_metadata_survive(tmp_path, models, capsys):
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "my grandmother, 1931"
    profile = b"\0" * 12 + b"mntr" + b"GRAY" + b"\0" * 200
    save(tmp_path / "in" / "photo.jpg", page(), exif=exif, icc_profile=profile, quality=95)
    import tensorflow as tf

    deep = page(30, 50).astype(np.uint16) * 257 + np.arange(50, dtype=np.uint16)
    (tmp_path / "in" / "deep.png").write_bytes(tf.io.encode_png(deep[..., None]).numpy())
    alpha = np.dstack([page(20, 30), np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))])
    save(tmp_path / "in" / "alpha.png", alpha)
    save(tmp_path / "in" / "bits.png", page(24, 24) > 128)
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 0, err
    assert "4 of 4 pages coloured" in err
    assert f" s by {models['tiny']}, tensorflow, in {tmp_path / 'out'}" in err
    with Image.open(tmp_path / "out" / "photo.png") as image:
        assert image.size == (40, 56)  # upright
        assert image.getexif()[0x010E] == "my grandmother, 1931"
        assert image.getexif()[0x0112] == 1
        assert "icc_profile" not in image.info  # a grey profile does not fit a colour image
    result = read_scan((tmp_path / "out" / "deep.png").read_bytes())
    assert result.samples.dtype == np.uint16
    assert luma_error(Scan(deep), result.samples) <= 1
    with Image.open(tmp_path / "out" / "alpha.png") as image:
        np.testing.assert_array_equal(np.asarray(image.getchannel("A")), alpha[..., 1])


@pytest.mark.parametrize("out", ["out.jpg", pytest.param("out.pdf", marks=pytest.mark.needs("pypdfium2"))])
def test_transparency_is_white_where_the_format_has_none(tmp_path, models, capsys, out):
    samples = np.zeros((32, 32, 2), np.uint8)
    samples[8:24, 8:24] = (120, 255)
    save(tmp_path / "page.png", samples)
    code, _, err = run(capsys, models["tiny"], tmp_path / "page.png", "-o", tmp_path / out)
    assert code == 0, err
    if out == "out.pdf":
        with Renderers() as renderers:
            rgb = renderers.mine().render(tmp_path / out, 0, 16)
    else:
        rgb = np.asarray(Image.open(tmp_path / out))
    assert rgb[:6, :6].min() > 240
    assert abs(luma_error(Scan(np.full((8, 8), 120, np.uint8)), rgb[12:20, 12:20])) < 8


def test_pages_that_take_no_colour_are_named(tmp_path, models, capsys):
    for index in range(2):
        lines = np.where(page(seed=index) > 100, 255, 0).astype(np.uint8)
        lines[:, : index * lines.shape[1] // 8] = 128  # the second is grey at the edges, as scans are
        save(tmp_path / "in" / f"line{index}.png", lines)
    save(tmp_path / "in" / "grey.png", page())
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 0
    assert "line0.png and 1 more are almost black and white alone, where no colour fits: --headroom 0.2 makes" in err
    code, _, err = run(
        capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out", "--headroom", 0.2, "--overwrite"
    )
    assert code == 0
    assert "almost black and white" not in err
    for index in range(2):
        assert np.ptp(read_scan((tmp_path / "out" / f"line{index}.png").read_bytes()).samples, axis=-1).max() > 20


def test_pages_that_differ_in_their_suffix_alone_keep_it(tmp_path, models, capsys):
    save(tmp_path / "in" / "one.png", page())
    save(tmp_path / "in" / "one.jpg", page(seed=1))
    save(tmp_path / "in" / "one.tif", page(seed=1))
    save(tmp_path / "in" / "one.bmp", page(seed=1))
    (tmp_path / "in" / "book.cbr").write_bytes(b"Rar!")
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 1
    assert "one.bmp: not a JPEG, PNG, WebP, GIF or TIFF image" in err
    assert "book.cbr: a RAR archive, which cannot be read: unpack it, or save it as .cbz" in err
    assert {p.name for p in (tmp_path / "out").glob("[!.]*")} == {"one.png.png", "one.jpg.png", "one.tif.png"}


# Where pages come from and go to.


def test_folders_archives_and_patterns(tmp_path, models, capsys):
    for name in ("b/2.png", "a/1.jpg", "c.png"):
        save(tmp_path / "in" / name, page())
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for index in range(3):
            stream = io.BytesIO()
            Image.fromarray(page(seed=index)).save(stream, "PNG")
            book.writestr(f"../../chapter/{index}.png", stream.getvalue())
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", tmp_path / "book.cbz", "-o", tmp_path / "out")
    assert code == 0, err
    names = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")}
    assert names == {"in/a/1.png", "in/b/2.png", "in/c.png", *(f"book/chapter/{i}.png" for i in range(3))}
    code, _, err = run(
        capsys, models["tiny"], tmp_path / "in" / "*" / "*.*", "-o", tmp_path / "out2", "--format", "jpg"
    )
    assert code == 0, err
    assert {p.name for p in (tmp_path / "out2").glob("[!.]*")} == {"1.jpg", "2.jpg"}


@pytest.mark.parametrize("suffix", ["cbz", "pdf"])
def test_books_in_books_out(tmp_path, models, capsys, suffix):
    with zipfile.ZipFile(tmp_path / "book.cbz", "w") as book:
        for index in range(3):
            stream = io.BytesIO()
            Image.fromarray(page(40 + 8 * index)).save(stream, "PNG")
            book.writestr(f"{index}.png", stream.getvalue())
    out = tmp_path / f"colour.{suffix}"
    code, _, err = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", out)
    assert code == 0, err
    if suffix == "cbz":
        with zipfile.ZipFile(out) as book:
            assert book.namelist() == ["0.png", "1.png", "2.png"]
            assert book.testzip() is None
    else:
        assert out.read_bytes().startswith(b"%PDF")
        assert out.read_bytes().count(b"/Type /Page\n") == 3
    assert {p.name for p in tmp_path.iterdir()} == {"book.cbz", out.name}
    before = out.read_bytes()
    code, _, err = run(capsys, models["tiny"], tmp_path / "book.cbz", "-o", out)
    assert code == 2
    assert "is there already: --overwrite replaces it" in err
    assert out.read_bytes() == before


def pdf(path: Path, *sizes: tuple[int, int]) -> Path:
    """A PDF whose pages are scans of these heights and widths, at 72 pixels an inch."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(page(*size, seed)) for seed, size in enumerate(sizes)]
    first.save(path, save_all=True, append_images=others)
    return path


@pytest.mark.needs("pypdfium2")
def test_pdf_files_in_and_books_in_folders(tmp_path, models, capsys):
    sizes = [(300, 200), (220, 310)]
    pdf(tmp_path / "in" / "old" / "scan.pdf", *sizes)
    save(tmp_path / "in" / "page.png", page())
    with zipfile.ZipFile(tmp_path / "in" / "book.cbz", "w") as book:
        stream = io.BytesIO()
        Image.fromarray(page()).save(stream, "PNG")
        book.writestr("1.png", stream.getvalue())
    code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / "out")
    assert code == 0, err
    names = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*.png")}
    assert names == {"page.png", "book/1.png", "old/scan/0001.png", "old/scan/0002.png"}
    for index, size in enumerate(sizes):
        result = read_scan((tmp_path / "out" / "old" / "scan" / f"000{index + 1}.png").read_bytes())
        assert result.samples.shape == (*size, 3)  # the scan's own pixels, neither fewer nor more
        given = page(*size, index).astype(float)
        assert np.abs(result.luma() * 255 - given).mean() < 2  # its JPEG inside the PDF differs a little

    code, _, err = run(capsys, models["tiny"], tmp_path / "in" / "old" / "scan.pdf", "-o", tmp_path / "colour.pdf")
    assert code == 0, err
    with Renderers() as renderers:
        assert renderers.count(tmp_path / "colour.pdf") == 2
        rgb = renderers.mine().render(tmp_path / "colour.pdf", 0, 300)
        assert np.ptp(rgb.astype(int), axis=-1).mean() > 5


@pytest.mark.needs("pypdfium2")
def test_a_pdf_that_cannot_be_read_is_named(tmp_path, models, capsys, monkeypatch):
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.4 nothing")
    code, _, err = run(capsys, models["tiny"], tmp_path / "bad.pdf", "-o", tmp_path / "out")
    assert code == 2
    assert f"{tmp_path / 'bad.pdf'}: damaged" in err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run(capsys, models["tiny"], tmp_path / "bad.pdf", "-o", tmp_path / "out")
    assert code == 2
    assert "PDF files need the package pypdfium2: pip install" in err
    assert not (tmp_path / "out").exists()


def test_few_large_pages_are_held_at_a_time(tmp_path, models, monkeypatch):
    for index in range(6):
        save(tmp_path / "in" / f"{index}.png", page(seed=index))
    held = []
    read, write = Job._read, Job._write

    def counted_read(self, *arguments):
        ready = read(self, *arguments)
        held.append(1)
        return ready

    def counted_write(self, *arguments):
        write(self, *arguments)
        held.append(-1)

    monkeypatch.setattr(Job, "_read", counted_read)
    monkeypatch.setattr(Job, "_write", counted_write)
    peaks = []
    for limit, large in ((page().nbytes, 1 << 30), (1 << 30, 1 << 30), (1 << 30, page().nbytes - 1)):
        monkeypatch.setattr("zoo.pages.job.AHEAD_BYTES", limit)
        monkeypatch.setattr("zoo.pages.job.LARGE", large)
        held.clear()
        with Renderers() as renderers:
            pages = find_pages([str(tmp_path / "in")], renderers)
            output = Output(tmp_path / f"out{len(peaks)}", "png", overwrite=False, single=False)
            job = Job(Colorizer(models["tiny"]), output, renderers, Look(), batch_size=4)
            assert job.run(pages, lambda done, total: None) == 6
        peaks.append(int(np.cumsum(held).max()))
    assert len(list(tmp_path.glob("out*/*.png"))) == 18
    assert peaks[0] <= 4 < peaks[1]  # one read, one computed, two written
    assert peaks[2] == 1
    assert len({tuple(path.read_bytes() for path in sorted(out.glob("*.png"))) for out in tmp_path.glob("out*")}) == 1


def test_one_page_to_one_file(tmp_path, models, capsys):
    save(tmp_path / "page.png", page())
    code, _, err = run(capsys, models["tiny"], tmp_path / "page.png", "-o", tmp_path / "colour.webp", "--summary")
    assert code == 0, err
    with Image.open(tmp_path / "colour.webp") as image:
        assert image.format == "WEBP"
    with Image.open(tmp_path / "colour-summary.webp") as image:
        assert image.size == (112, 40)


@pytest.mark.parametrize("channels", [2, 4])
def test_a_summary_keeps_transparency(tmp_path, models, capsys, channels):
    alpha = np.tile(np.arange(30, dtype=np.uint8) * 8, (20, 1))
    colors = [page(20, 30, seed) for seed in range(channels - 1)]
    save(tmp_path / "page.png", np.dstack([*colors, alpha]))
    out = tmp_path / "out.png"
    code, _, err = run(capsys, models["tiny"], tmp_path / "page.png", "-o", out, "--summary", "--desaturate")
    assert code == 0, err
    with Image.open(tmp_path / "out-summary.png") as image:
        np.testing.assert_array_equal(np.asarray(image.getchannel("A")), np.tile(alpha, 2 if channels == 2 else 3))


def test_samples_differ_and_are_reproducible(tmp_path, models, capsys):
    save(tmp_path / "page.png", page())
    command = [models["classifier"], tmp_path / "page.png", "--decode", "sample", "--samples", 2, "--seed", 5]
    for name in ("a", "b"):
        code, _, err = run(capsys, *command, "-o", tmp_path / name)
        assert code == 0, err
    pictures = {p.relative_to(tmp_path).as_posix(): p.read_bytes() for p in tmp_path.glob("[ab]/*.png")}
    assert pictures["a/page-1.png"] == pictures["b/page-1.png"]
    assert pictures["a/page-2.png"] == pictures["b/page-2.png"]
    assert pictures["a/page-1.png"] != pictures["a/page-2.png"]


def test_samples_of_one_page_lie_beside_the_name_that_was_given(tmp_path, models, capsys):
    save(tmp_path / "page.png", page())
    command = [models["classifier"], tmp_path / "page.png", "--decode", "sample", "--samples", 2]
    code, _, err = run(capsys, *command, "-o", tmp_path / "out" / "colour.png")
    assert code == 0, err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"colour-1.png", "colour-2.png"}


def test_batches_make_no_difference(tmp_path, models, capsys):
    for index in range(5):
        save(tmp_path / "in" / f"{index}.png", page(40 + 8 * (index // 3), 56, index))
    for size in (1, 3):
        code, _, err = run(capsys, models["tiny"], tmp_path / "in", "-o", tmp_path / f"{size}", "--batch-size", size)
        assert code == 0, err
    for index in range(5):
        one, three = (np.asarray(Image.open(tmp_path / size / f"{index}.png")).astype(int) for size in ("1", "3"))
        assert np.abs(one - three).max() <= 1
