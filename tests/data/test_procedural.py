"""The embedded data set: its colours are ambiguous by construction, its files whole and everywhere the same."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from zoo.chroma.yuv import yuv_to_rgb
from zoo.data.cards import SPLITS, get_card
from zoo.data.drawn import procedural
from zoo.data.drawn.canvas import LIGHT, SHADOW, TONE
from zoo.data.drawn.procedural import CLASSES, color_page, draw_page, materialise, mode_uv, read_maps, sketch_of
from zoo.errors import UsageError

LUMA = np.array([0.299, 0.587, 0.114])
AMBIGUOUS = [c for c in CLASSES if c.ambiguous]
NEEDED = {"car", "shirt", "roof", "rock"}
COUNTS = {"train": 2, "val": 1}


@pytest.fixture(scope="module")
def pages():
    return [draw_page(split, index) for split in SPLITS for index in range(4)]


def files_of(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_labels_are_1_to_n_and_names_unique():
    assert [c.label for c in CLASSES] == list(range(1, len(CLASSES) + 1))
    assert len({c.name for c in CLASSES}) == len(CLASSES)
    assert {c.name for c in AMBIGUOUS} >= NEEDED


@pytest.mark.parametrize("object_class", AMBIGUOUS, ids=lambda c: c.name)
def test_modes_have_equal_luma_and_distinct_colors(object_class):
    luma = np.array(object_class.palette) @ LUMA
    assert np.ptp(luma) <= 0.25
    # The mean of the palette's UV at its luma is what a perfect regression answers; every mode is far from it.
    uv = mode_uv(object_class)
    assert uv.shape == (len(object_class.palette), 2)
    rgb = yuv_to_rgb(np.array([luma.mean() / 255, *uv.mean(axis=0)]))
    modes, mean = rgb2lab(np.array(object_class.palette) / 255), rgb2lab(rgb)
    distance = np.hypot(*(modes - mean)[:, 1:].T)
    if object_class.name == "rock":  # brown is close to the mean of brown, red and black: the published example
        assert distance[0] < 12 < 20 < distance[1:].min()
    else:
        assert distance.min() >= 20


def test_controls_have_visible_color():
    for object_class in CLASSES:
        if not object_class.ambiguous:
            assert np.ptp(object_class.palette[0]) >= 30, object_class.name


def test_no_shade_of_any_color_clips():
    channels = np.array([color for c in CLASSES for color in c.palette])
    assert channels.min() + SHADOW - TONE >= 0
    assert channels.max() + LIGHT + TONE <= 255


@pytest.mark.parametrize("index", range(6))
def test_other_modes_give_the_same_grey_page(index):
    sketch, modes = sketch_of("train", index)
    sizes = [len(next(c for c in CLASSES if c.name == kind).palette) for kind in sketch.kinds]
    page = color_page(sketch, modes)
    for step in (1, 2, 3):
        other = color_page(sketch, [(mode + step) % size for mode, size in zip(modes, sizes, strict=True)])
        assert np.abs(page.rgb @ LUMA - other.rgb @ LUMA).max() < 0.5
        assert np.array_equal(page.classes, other.classes)
        assert np.array_equal(page.objects, other.objects)
    assert not np.array_equal(page.rgb, other.rgb)


def test_a_labelled_pixel_has_its_color_plus_a_shade(pages):
    for page in pages:
        assert page.rgb.shape == (768, 512, 3)
        assert {a.dtype.name for a in (page.rgb, page.classes, page.objects, page.modes)} == {"uint8"}
        labelled = page.classes > 0
        assert np.array_equal(labelled, page.objects > 0)
        assert np.array_equal(labelled, page.modes > 0)
        for object_class in CLASSES:
            mine = page.classes == object_class.label
            base = np.array(object_class.palette)[page.modes[mine] - 1]
            shade = page.rgb[mine].astype(int) - base
            assert (shade == shade[:, :1]).all()


def test_an_object_has_one_class_and_one_mode(pages):
    for page in pages:
        labelled = page.objects > 0
        rows = set(zip(page.objects[labelled], page.classes[labelled], page.modes[labelled], strict=True))
        assert len(rows) == len({row[0] for row in rows})


def test_modes_are_equally_likely():
    counts = {c.name: np.zeros(len(c.palette)) for c in AMBIGUOUS}
    for index in range(60):
        sketch, modes = sketch_of("train", index)
        for kind, mode in zip(sketch.kinds, modes, strict=True):
            if kind in counts:
                counts[kind][mode] += 1
    for name, count in counts.items():
        expected = count.sum() / len(count)
        chi_squared = ((count - expected) ** 2 / expected).sum()
        assert expected > 20, name
        assert chi_squared < 20, (name, count)  # p < 2e-4 for four modes


def test_ambiguous_and_control_pixels_are_balanced(pages):
    classes = np.stack([page.classes for page in pages])
    labelled = classes > 0
    ambiguous = np.isin(classes, [c.label for c in AMBIGUOUS])
    assert 0.55 < labelled.mean() < 0.85
    assert 0.15 < ambiguous.sum() / labelled.sum() < 0.35
    assert set(np.unique(classes)) == set(range(len(CLASSES) + 1))


def test_pages_of_splits_indices_and_seeds_all_differ(pages):
    others = [draw_page("train", index, seed=1) for index in range(2)]
    hashes = {hashlib.sha256(page.rgb.tobytes()).digest() for page in [*pages, *others]}
    assert len(hashes) == len(pages) + len(others)


def test_a_page_is_the_same_in_another_process():
    code = "from zoo.data.drawn.procedural import digest; print(digest())"
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == procedural.digest()


@pytest.mark.parametrize("name", procedural.NAMES)
def test_the_card_describes_what_is_drawn(name):
    card = get_card(name)
    assert card.version == procedural.VERSION
    assert card.digest == procedural.digest(name=name)


@pytest.mark.parametrize(("split", "index", "seed"), [("tset", 0, 0), ("train", -1, 0), ("train", 0, -1)])
def test_no_such_page(split, index, seed):
    with pytest.raises(UsageError, match=r"tset|-1"):
        draw_page(split, index, seed=seed)


def test_sheets_show_every_ambiguous_class_alone():
    pages = {hashlib.sha256(draw_page(split, 0).rgb.tobytes()).digest() for split in SPLITS}
    for split in SPLITS:
        sheet = draw_page(split, 0, name="procedural-objects")
        assert {c.label for c in AMBIGUOUS} <= set(np.unique(sheet.classes).tolist())
        assert hashlib.sha256(sheet.rgb.tobytes()).digest() not in pages
        # Nothing but paper lies between things: no scene tells what they are.
        height, width = sheet.rgb.shape[0] // 4, sheet.rgb.shape[1] // 3
        for row in range(1, 4):
            assert (sheet.rgb[row * height] == 250).all()
        for column in (1, 2):
            assert (sheet.rgb[:, column * width] == 250).mean() > 0.95


def test_materialise_writes_lossless_pages_and_maps(tmp_path):
    seen = []
    root = materialise(tmp_path / "set", counts=COUNTS, workers=1, progress=lambda *call: seen.append(call))
    assert sorted(files_of(root)) == sorted(
        f"{kind}/{name}.png" for kind in ("maps", "pages") for name in ("train/00000", "train/00001", "val/00000")
    )
    assert seen == [(1, 3), (2, 3), (3, 3)]
    path, page = root / "pages" / "train" / "00001.png", draw_page("train", 1)
    with Image.open(path) as image:
        assert np.array_equal(np.array(image), page.rgb)
    for read, drawn in zip(read_maps(path), (page.classes, page.objects, page.modes), strict=True):
        assert np.array_equal(read, drawn)


def test_materialise_writes_only_what_is_missing(tmp_path):
    root = materialise(tmp_path, counts=COUNTS, workers=1)
    before = files_of(root)
    (root / "pages/train/00001.png").unlink()
    (root / "maps/val/00000.png").unlink()
    kept = (root / "pages/train/00000.png").stat().st_mtime_ns
    seen = []
    materialise(tmp_path, counts=COUNTS, workers=1, progress=lambda *call: seen.append(call))
    assert seen == [(1, 2), (2, 2)]
    assert files_of(root) == before
    assert (root / "pages/train/00000.png").stat().st_mtime_ns == kept


def test_a_crash_while_writing_leaves_no_half_file(tmp_path, monkeypatch):
    save = Image.Image.save

    def full_disk(self, target, *args, **kwargs):
        save(self, target, *args, **kwargs)
        with open(target, "rb+") as file:
            file.truncate(1000)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", full_disk)
        with pytest.raises(UsageError, match="No space left"):
            materialise(tmp_path, counts=COUNTS, workers=1)
    assert files_of(tmp_path) == {}
    for content in files_of(materialise(tmp_path, counts=COUNTS, workers=1)).values():
        assert len(content) > 1000


def test_several_at_once_write_the_same_files(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: materialise(tmp_path / "many", counts=COUNTS, workers=1), range(3)))
    assert files_of(tmp_path / "many") == files_of(materialise(tmp_path / "one", counts=COUNTS, workers=1))


def test_worker_processes_write_the_same_files(tmp_path, monkeypatch):
    monkeypatch.setattr(procedural, "PAGES_THAT_PAY_A_PROCESS", 1)
    several = files_of(materialise(tmp_path / "several", counts=COUNTS, workers=2))
    assert several == files_of(materialise(tmp_path / "one", counts=COUNTS, workers=1))


def test_the_default_place_is_the_cache_and_an_unwritable_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path))
    assert materialise(counts={"val": 1}, seed=3) == tmp_path / "procedural-v1-seed3"
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(file))
    with pytest.raises(UsageError, match=r"(?s)file.procedural-v1-seed0.*COLORIZATION_ZOO_CACHE"):
        materialise(counts={"val": 1})


def test_maps_of_another_image_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"holiday\.png"):
        read_maps(tmp_path / "holiday.png")
