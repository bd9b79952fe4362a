"""Batches and fixed crops: they are what the images hold, and the seed and the step alone decide which."""

import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zoo.chroma.yuv import split_luma
from zoo.data.cache import DecodedImages
from zoo.data.dataset import ImageRef, Split, open_dataset
from zoo.data.pipeline import VIEW_LEAST, crop_batches, fixed_crops, iterate, repeat_batches, training_pairs
from zoo.errors import RunError, UsageError

CROP = 24


def coordinates(image: int, height: int = 50, width: int = 70) -> np.ndarray:
    """A page whose pixels tell where they are: red is the column, green the row, blue the page."""
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0], rgb[..., 1], rgb[..., 2] = np.arange(width), np.arange(height)[:, None], 100 + image
    return rgb


@pytest.fixture
def split(tmp_path: Path) -> Split:
    """Seven pages: PNG that TensorFlow decodes, and PNG, WebP and GIF that Pillow decodes."""
    for index in range(9):
        image = Image.fromarray(coordinates(index, 50 + index, 70 - index))
        if index == 0:
            image.save(tmp_path / "0.webp", lossless=True)
        elif index == 1:
            image.convert("RGBA").save(tmp_path / "1.png")
        else:
            image.save(tmp_path / f"{index}.png")
    return open_dataset(tmp_path, crop=CROP).splits["train"]


@pytest.fixture
def pages(tmp_path: Path) -> Split:
    """Pages that views can be taken of."""
    (tmp_path / "pages").mkdir()
    for index in range(9):
        Image.fromarray(coordinates(10 * index, 100, 140)).save(tmp_path / "pages" / f"{index}.png")
    return open_dataset(tmp_path / "pages", crop=VIEW_LEAST).splits["train"]


def take(batches: object, count: int) -> list[np.ndarray]:
    return [batch.numpy() for batch in batches.take(count)]


def test_every_crop_is_a_window_of_its_page(split: Split) -> None:
    assert {image.fast for image in split.images} == {"png", None}
    batches = crop_batches(split, batch_size=4, crop=CROP, seed=0)
    assert batches.element_spec.shape == (4, CROP, CROP, 3)
    corners = set()
    for rgb in np.concatenate(take(batches, 40)):
        left, top, page = rgb[0, 0]
        np.testing.assert_array_equal(rgb, coordinates(page - 100, 60, 70)[top : top + CROP, left : left + CROP])
        corners.add((left, top))
    assert len(corners) > 100
    assert min(left for left, _ in corners) < 5 < 35 < max(left for left, _ in corners)
    assert min(top for _, top in corners) < 4 < 22 < max(top for _, top in corners)


@pytest.mark.parametrize("cache", [None, "memory"])
def test_zoomed_crops_are_of_larger_places_and_evenly_so(split: Split, cache: str | None) -> None:
    """On pages whose pixels tell where they are, neighbours of a crop are as far apart as it was reduced."""
    settings = {"batch_size": 4, "crop": CROP, "seed": 0, "zoom": 2.0, "cache": cache}
    crops = np.concatenate(take(crop_batches(split, **settings), 60)).astype(float)
    across = (crops[:, :, -1, 0] - crops[:, :, 0, 0]).mean(axis=1) / (CROP - 1)
    down = (crops[:, -1, :, 1] - crops[:, 0, :, 1]).mean(axis=1) / (CROP - 1)
    np.testing.assert_allclose(across, down, atol=0.05)
    assert 0.99 < across.min() < 1.02
    assert 1.95 < across.max() <= 2.02
    assert (across < 2**0.5).mean() == pytest.approx(0.5, abs=0.1)
    assert len(np.unique(crops[..., 2])) == len(split.images)
    resumed = np.concatenate(take(crop_batches(split, start_step=50, **settings), 10))
    np.testing.assert_array_equal(crops[200:], resumed)
    larger = np.concatenate(take(crop_batches(split, **settings | {"crop": 48}), 20)).astype(float)
    assert np.isfinite(larger).all()
    assert ((larger[:, :, -1, 0] - larger[:, :, 0, 0]).mean(axis=1) / 47).max() < 1.3  # the pages are no larger


def test_nothing_tunes_the_pipeline_in_the_background(split: Split) -> None:
    """TensorFlow's tuning thread sleeps up to a minute between two looks, and the end of an iterator waits for it."""
    assert crop_batches(split, batch_size=2, crop=CROP, seed=0).options().autotune.enabled is False


def test_an_epoch_shows_every_page_once(split: Split) -> None:
    count = len(split.images)
    pages = np.concatenate(take(crop_batches(split, batch_size=3, crop=CROP, seed=0), count))[:, 0, 0, 2]
    epochs = pages.reshape(3, count)
    assert all(len(set(epoch)) == count for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3


def test_a_batch_depends_on_seed_and_step_alone(split: Split) -> None:
    whole = take(crop_batches(split, batch_size=4, crop=CROP, seed=1, flip=True), 8)
    resumed = take(crop_batches(split, batch_size=4, crop=CROP, seed=1, flip=True, start_step=5), 3)
    np.testing.assert_array_equal(whole[5:], resumed)
    other = take(crop_batches(split, batch_size=4, crop=CROP, seed=2, flip=True), 8)
    assert sum(np.array_equal(a, b) for a, b in zip(whole, other, strict=True)) == 0


def test_flip_mirrors_about_half_and_moves_no_crop(split: Split) -> None:
    plain = np.concatenate(take(crop_batches(split, batch_size=8, crop=CROP, seed=3), 20))
    flipped = np.concatenate(take(crop_batches(split, batch_size=8, crop=CROP, seed=3, flip=True), 20))
    mirrored = 0
    for a, b in zip(plain, flipped, strict=True):
        if not np.array_equal(a, b):
            np.testing.assert_array_equal(a[:, ::-1], b)
            mirrored += 1
    assert 50 < mirrored < 110


def test_archive_gives_the_batches_of_its_folder(tmp_path: Path, split: Split) -> None:
    archive = tmp_path / "book.zip"
    with zipfile.ZipFile(archive, "w") as zipped:
        for path in sorted(tmp_path.glob("*.*[gp]")):
            if path != archive:
                zipped.write(path, path.name)
    packed = open_dataset(archive, crop=CROP).splits["train"]
    assert [image.digest for image in packed.images] == [image.digest for image in split.images]
    np.testing.assert_array_equal(
        take(crop_batches(packed, batch_size=4, crop=CROP, seed=0), 5),
        take(crop_batches(split, batch_size=4, crop=CROP, seed=0), 5),
    )


@pytest.mark.parametrize("subsampling", [0, 2])
@pytest.mark.parametrize("progressive", [False, True])
def test_jpeg_crops_agree_with_pillow(tmp_path: Path, subsampling: int, progressive: bool) -> None:
    y, x = np.mgrid[:157, :203]
    for index in range(4):
        wave = 127 + 120 * np.sin(x / (3 + index)) * np.cos(y / 5)
        rgb = np.stack([wave, x, 255 - wave], -1).astype(np.uint8)
        options = {"quality": 90, "subsampling": subsampling, "progressive": progressive}
        Image.fromarray(rgb).save(tmp_path / f"{index}.jpg", **options)
    split = open_dataset(tmp_path, crop=CROP).splits["train"]
    assert {image.fast for image in split.images} == {"jpeg"}
    with_pillow = Split(split.name, tuple(replace(image, fast=None) for image in split.images))
    fast, slow = (
        np.stack(take(crop_batches(images, batch_size=5, crop=CROP, seed=0), 8)).astype(int)
        for images in (split, with_pillow)
    )
    # Exact with this Pillow; another build's chroma upsampling may round otherwise.
    assert np.abs(fast - slow).max() <= 2
    assert len({crop.tobytes() for crop in slow.reshape(-1, CROP, CROP, 3)}) == 40


def test_repeat_batches() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    whole = take(repeat_batches(rgb, batch_size=3, seed=0), 6)
    for epoch in range(3):
        shown = np.concatenate(whole[2 * epoch : 2 * epoch + 2])
        assert {crop.tobytes() for crop in shown} == {crop.tobytes() for crop in rgb}
    np.testing.assert_array_equal(whole[4:], take(repeat_batches(rgb, batch_size=3, seed=0, start_step=4), 2))
    assert not np.array_equal(whole, take(repeat_batches(rgb, batch_size=3, seed=1), 6))


def test_fixed_crops(split: Split) -> None:
    count = len(split.images)
    crops = fixed_crops(split, count=2 * count + 1, crop=CROP, seed=0)
    assert len(crops) == 2 * count + 1
    assert len({crop.name for crop in crops[:count]}) == len({crop.name for crop in crops[count:-1]}) == count
    pages = {image.name: image.decode() for image in split.images}
    for crop in crops:
        assert crop.maps is None
        window = pages[crop.name][crop.top : crop.top + CROP, crop.left : crop.left + CROP]
        np.testing.assert_array_equal(crop.rgb, window)
    assert len({(crop.top, crop.left) for crop in crops}) > count
    for crop, again in zip(crops, fixed_crops(split, count=5, crop=CROP, seed=0), strict=False):
        np.testing.assert_array_equal(crop.rgb, again.rgb)
    others = fixed_crops(split, count=count, crop=CROP, seed=1)
    assert [crop.name for crop in others] != [crop.name for crop in crops[:count]]


@pytest.mark.parametrize("cache", [None, "memory"])
def test_views_are_of_half_to_all_of_a_picture(pages: Split, cache: str | None) -> None:
    """On pages whose pixels tell where they are, neighbours of a view are as far apart as it was resized."""
    settings = {"batch_size": 4, "crop": CROP, "seed": 0, "views": True, "cache": cache}
    views = np.concatenate(take(crop_batches(pages, **settings), 60)).astype(float)
    assert views.shape[1:] == (CROP, CROP, 3)
    inner = np.s_[:, 2:-2, 2:-2]
    across = np.diff(views[inner][..., 0], axis=2).mean(axis=(1, 2)) * CROP / 100
    down = np.diff(views[inner][..., 1], axis=1).mean(axis=(1, 2)) * CROP / 100
    np.testing.assert_allclose(across, down, atol=0.05)
    assert 0.48 < across.min() < 0.52
    assert 0.98 < across.max() < 1.02
    assert len(np.unique(views[..., 2].round())) == len(pages.images)
    resumed = np.concatenate(take(crop_batches(pages, start_step=50, **settings), 10))
    np.testing.assert_array_equal(views[200:], resumed)
    enlarged = take(crop_batches(pages, **settings | {"crop": 160}), 3)
    assert enlarged[0].shape == (4, 160, 160, 3)


def test_views_are_of_one_panel(pages: Split) -> None:
    """Two panels of a page, side by side: no view has pixels of both."""
    panels = ((0, 0, 100, 64), (10, 70, 80, 70))
    cut = replace(pages, images=tuple(replace(image, panels=panels) for image in pages.images))
    views = np.concatenate(take(crop_batches(cut, batch_size=4, crop=VIEW_LEAST, seed=0, views=True), 30))
    left, right = views[..., 0].min(axis=(1, 2)), views[..., 0].max(axis=(1, 2))
    assert ((right <= 64) | (left >= 69)).all()
    assert 0.3 < (right <= 64).mean() < 0.7
    fixed = fixed_crops(cut, count=8, crop=VIEW_LEAST, seed=0, views=True)
    assert {crop.left for crop in fixed} >= {0, 70}
    assert all(crop.rgb.shape == (VIEW_LEAST, VIEW_LEAST, 3) for crop in fixed)


def test_fixed_crops_cut_the_maps_alike(split: Split) -> None:
    heights = {image.path: (image.height, image.width) for image in split.images}

    def read_maps(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows, columns = np.indices(heights[path], np.uint8)
        return rows, columns, rows + columns

    drawn = Split(split.name, split.images, read_maps)
    for crop in fixed_crops(drawn, count=4, crop=CROP, seed=0):
        assert crop.maps is not None
        rows, columns, _ = crop.maps
        assert rows.shape == (CROP, CROP)
        assert (rows[0, 0], columns[0, 0]) == (crop.top, crop.left)


def test_wrong_crops_are_usage_errors(split: Split) -> None:
    with pytest.raises(UsageError, match=r"\d\.(png|webp): \d+ x \d+ is smaller than the crop, 60"):
        crop_batches(split, batch_size=1, crop=60, seed=0)
    with pytest.raises(UsageError, match="the test split has no images"):
        fixed_crops(Split("test", ()), count=1, crop=CROP, seed=0)


@pytest.mark.parametrize("damage", ["missing", "changed"])
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_file_that_breaks_after_the_scan_is_named(split: Split, damage: str, suffix: str) -> None:
    paths = [image.path for image in split.images if image.path.suffix == suffix]
    if not paths:
        pytest.skip("the page with this suffix is in another split")
    if damage == "missing":
        paths[0].unlink()
        message = f"{paths[0].name} can no longer be read"
    else:
        paths[0].write_bytes(paths[0].read_bytes()[:50])
        message = f"{paths[0].name} has changed since the data set was opened"
    batches = crop_batches(split, batch_size=len(split.images), crop=CROP, seed=0)
    with pytest.raises(RunError, match=message):
        next(iterate(batches, split))
    with pytest.raises(RunError, match=message):
        fixed_crops(split, count=len(split.images), crop=CROP, seed=0)


def test_iterate_passes_batches_and_other_errors_on(split: Split) -> None:
    import tensorflow as tf

    batches = crop_batches(split, batch_size=2, crop=CROP, seed=0).take(3)
    assert len(list(iterate(batches, split))) == 3
    wrong = batches.map(lambda rgb: tf.io.decode_jpeg(tf.strings.as_string(rgb[0, 0, 0, 0])))
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(iterate(wrong, split))


def test_a_process_ends_while_pages_are_being_decoded_in_python(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for index in range(3):
        rgb = random.integers(0, 256, (900, 900, 3), np.uint8)
        Image.fromarray(rgb).save(tmp_path / f"{index}.webp", quality=50)
    code = f"""
from zoo.data.pipeline import VIEW_LEAST, crop_batches, iterate
from zoo.data.dataset import open_dataset
split = open_dataset({str(tmp_path)!r}, crop={CROP}).splits["train"]
batches = iterate(crop_batches(split, batch_size=2, crop={CROP}, seed=0), split)
next(batches)  # still alive, and working ahead, when the interpreter is torn down
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_a_cache_changes_no_crop(
    split: Split, kind: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(folder))
    options = {"batch_size": 4, "crop": CROP, "seed": 3, "flip": True}
    want = take(crop_batches(split, **options), 6)
    first = take(crop_batches(split, **options, cache=kind), 6)
    files = sorted((folder / "decoded").glob("*.npy")) if kind == "disk" else []
    assert len(files) == (len(split.images) if kind == "disk" else 0)
    if files:
        files[0].write_bytes(b"cut off")  # decoded again
    again = take(crop_batches(split, **options, cache=kind), 6)
    np.testing.assert_array_equal(first, want)
    np.testing.assert_array_equal(again, want)
    if files:
        assert np.load(files[0]).ndim == 3


def test_a_cached_image_is_decoded_once(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = ImageRef.decode
    asked = []
    monkeypatch.setattr(ImageRef, "decode", lambda image: asked.append(image.name) or decode(image))
    cached = DecodedImages(split, "memory")
    for _ in range(3):
        np.testing.assert_array_equal(cached.crop(1, 2, 3, CROP), decode(split.images[1])[2 : 2 + CROP, 3 : 3 + CROP])
    assert asked == [split.images[1].name]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="the system does not list open files")
def test_a_disk_cache_keeps_no_file_open(
    split: Split, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may open 1024 files by default, and a data set has more images."""
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))
    cached = DecodedImages(split, "disk")
    before = len(os.listdir("/dev/fd"))
    for index in range(len(split.images)):
        cached.crop(index, 0, 0, CROP)
    assert len(os.listdir("/dev/fd")) == before


def test_a_cache_without_room_is_refused_before_training(split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoo.data.cache.available_memory", lambda: 1000)
    with pytest.raises(UsageError, match=r"a memory cache of 7 decoded images takes .* use --cache disk"):
        crop_batches(split, batch_size=1, crop=CROP, seed=0, cache="memory")
    with pytest.raises(UsageError, match="memory, disk"):
        DecodedImages(split, "cloud")


def test_a_disk_cache_that_cannot_be_written_warns_and_goes_on(
    split: Split, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(folder))
    cached = DecodedImages(split, "disk")
    (folder / "decoded").rmdir()
    (folder / "decoded").write_text("not a folder")
    want = [image.decode()[:CROP, :CROP] for image in split.images[:2]]
    with pytest.warns(UserWarning, match="decoded images stay in memory"):
        first = cached.crop(0, 0, 0, CROP)
    np.testing.assert_array_equal([first, cached.crop(1, 0, 0, CROP)], want)  # the second warning would fail here


@pytest.fixture
def folder(split: Split) -> Path:
    """The folder of the pages."""
    return split.images[0].path.parent


def test_pairs_are_the_crops_of_a_run(split: Split, folder: Path) -> None:
    pairs = training_pairs(folder, crop=CROP, batch_size=4, seed=3, flip=True)
    assert [tuple(spec.shape) for spec in pairs.element_spec] == [(4, CROP, CROP, 1), (4, CROP, CROP, 2)]
    crops = take(crop_batches(split, crop=CROP, batch_size=4, seed=3, flip=True), 3)
    for rgb, (luma, uv) in zip(crops, pairs.take(3), strict=True):
        assert luma.dtype == uv.dtype == "float32"
        for got, want in zip((luma, uv), split_luma(rgb / 255), strict=True):
            np.testing.assert_allclose(got, want, atol=1e-6)


def test_pairs_of_val_are_one_crop_an_image(folder: Path) -> None:
    dataset = open_dataset(folder, crop=CROP)
    count = len(dataset.splits["train"].images)
    replaced = replace(dataset, splits=dataset.splits | {"val": replace(dataset.splits["train"], name="val")})
    batches = list(training_pairs(replaced, split="val", crop=CROP, batch_size=count - 1))
    assert [len(luma) for luma, _ in batches] == [count - 1, 1]
    again = list(training_pairs(replaced, split="val", crop=CROP, batch_size=count - 1))
    np.testing.assert_array_equal(batches[0][1], again[0][1])


def test_a_keras_model_fits_the_pairs(folder: Path) -> None:
    import keras

    luma = keras.Input((None, None, 1))
    model = keras.Model(luma, keras.layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros")(luma))
    model.compile("sgd", "mse")
    pairs, val = training_pairs(folder, crop=CROP, batch_size=2), training_pairs(folder, split="val", crop=CROP)
    history = model.fit(pairs, steps_per_epoch=1, epochs=2, validation_data=val, shuffle=False, verbose=0).history
    uv = next(iter(pairs))[1].numpy()
    np.testing.assert_allclose(history["loss"][0], (uv**2).mean(), rtol=1e-4)
    assert len(history["val_loss"]) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "trian"}, "split is one of train, val, test, not 'trian'"),
        ({"crop": 0}, "crop and batch_size must be at least 1, not 0 and 8"),
        ({"crop": 512}, "smaller than the crop"),
    ],
)
def test_pairs_that_cannot_be(folder: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        training_pairs(folder, **options)


def test_a_fit_that_fails_ends_the_process(folder: Path) -> None:
    """Its iterator is alive until Python is torn down, and Pillow decodes for it."""
    code = f"""
import keras
from zoo.data.pipeline import training_pairs
def fail(true, predicted):
    raise RuntimeError("no such loss")
luma = keras.Input((None, None, 1))
model = keras.Model(luma, keras.layers.Conv2D(2, 3, padding="same")(luma))
model.compile("sgd", fail, run_eagerly=True)
model.fit(training_pairs({str(folder)!r}, crop={CROP}), steps_per_epoch=5, verbose=0)
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no such loss" in done.stderr
