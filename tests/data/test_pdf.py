"""Pages of PDF files."""

import hashlib
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparing import SMALL, page, prepared, rows, run, works


@pytest.fixture
def book(tmp_path: Path) -> Path:
    """Scans of 300 × 200 and of 60 × 40 pixels, on pages of the same size."""
    path = tmp_path / "book.pdf"
    leaves = [page(600, (300, 200)), page(601, (60, 40))]
    leaves[0].save(path, save_all=True, append_images=[leaves[1]], resolution=72.0)
    return path


@pytest.mark.needs("pypdfium2")
def test_pdf_files(capsys, tmp_path, book):
    folder = works(tmp_path / "pages", 4)
    shutil.copy(book, folder / "work00" / "inside.pdf")
    page(700, (300, 200)).save(tmp_path / "other.pdf", save_all=True, append_images=[page(701, (300, 200))])
    (folder / "broken.pdf").write_bytes(book.read_bytes()[:200])
    target = tmp_path / "out"
    record = prepared(capsys, folder, tmp_path / "other.pdf", target)
    found = {row["source"]: row for row in rows(target)}
    first, second = found["pages/work00/inside.pdf#1"], found["pages/work00/inside.pdf#2"]
    assert first["group"] == second["group"] == "pages/work00/inside.pdf"
    assert first["source_sha256"] == second["source_sha256"] == hashlib.sha256(book.read_bytes()).hexdigest()
    assert (first["width"], first["height"]) == ("96", "64")
    assert (second["width"], second["height"]) == ("60", "40")  # never enlarged
    with Image.open(target / first["file"]) as image:
        assert np.abs(np.asarray(image) - np.asarray(page(600), float)).mean() < 8
    assert record["dropped"] == {"unreadable": 1}
    (bad,) = rows(target, "dropped.csv")
    assert bad["page"] == "pages/broken.pdf"
    assert "damaged" in bad["detail"]
    assert run(capsys, "check", target)[0] == 0


def write_pdf(path: Path, box: str = "0 0 100 200", trailer: str = "") -> Path:
    """A page whose lower half is red: lines, not a scan."""
    path.write_text(
        "%PDF-1.4\n1 0 obj <</Type /Catalog /Pages 2 0 R>> endobj\n"
        "2 0 obj <</Type /Pages /Kids [3 0 R] /Count 1>> endobj\n"
        f"3 0 obj <</Type /Page /Parent 2 0 R /MediaBox [{box}] /Contents 4 0 R>> endobj\n"
        "4 0 obj <</Length 25>> stream\n1 0 0 rg 0 0 100 100 re f\nendstream endobj\n"
        f"trailer <</Root 1 0 R {trailer}>>\n%%EOF\n"
    )
    return path


@pytest.mark.needs("pypdfium2")
def test_lines_are_rendered_on_white_at_the_size_asked_for(tmp_path, book):
    from zoo.data.pdf import OVERSAMPLING, PdfRenderer
    from zoo.errors import ImageError

    with PdfRenderer() as renderer:
        rgb = renderer.render(write_pdf(tmp_path / "lines.pdf"), 0, 96)
        assert rgb.shape == (96 * OVERSAMPLING, 48 * OVERSAMPLING, 3)
        assert (rgb[:90] == 255).all()
        assert (rgb[102:] == (255, 0, 0)).all()
        flat = renderer.render(write_pdf(tmp_path / "flat.pdf", "0 0 14000 1"), 0, 1024)
        assert max(flat.shape) <= 1024 * OVERSAMPLING
        secret = f"/Encrypt <</Filter /Standard /V 1 /R 2 /P -4 /O ({'o' * 32}) /U ({'u' * 32})>> /ID [(a) (b)]"
        with pytest.raises(ImageError, match="encrypted"):
            renderer.count(write_pdf(tmp_path / "locked.pdf", trailer=secret))


@pytest.mark.needs("pypdfium2")
def test_a_renderer_that_dies_or_hangs_costs_one_page(book):
    from zoo.data.pdf import PdfRenderer
    from zoo.errors import ImageError

    with PdfRenderer() as renderer:
        assert renderer.count(book) == 2
        renderer._process.kill()
        with pytest.raises(ImageError, match="the renderer died of it"):
            renderer.render(book, 0, 96)
        assert renderer.render(book, 1, 96).shape == (40, 60, 3)
        with pytest.raises(ImageError, match="damaged"):
            renderer.render(book, 7, 96)
        renderer.close()
        renderer._seconds = 0.0  # it takes longer to start
        with pytest.raises(ImageError, match="not rendered within 0 s"):
            renderer.render(book, 0, 96)


def test_without_pypdfium2_a_pdf_says_what_to_install(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pypdfium2", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "book.pdf").write_bytes(b"%PDF-1.4")
    for source in (tmp_path / "book.pdf", tmp_path):
        code, _, err = run(capsys, "prepare", source, tmp_path.parent / "out-of-pdf", *SMALL)
        assert code == 2
        assert 'pip install "keras-colorization-zoo[pdf]"' in err
