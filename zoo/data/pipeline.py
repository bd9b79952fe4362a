"""Batches of random crops, with tf.data: the batch of step k depends on the seed and k alone.

A run that is resumed at step k therefore sees what an uninterrupted one would have seen. TensorFlow is imported
when a pipeline is built.
"""

import atexit
import hashlib
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zoo.chroma.yuv import split_luma
from zoo.data.cache import DecodedImages
from zoo.data.cards import SPLITS
from zoo.data.dataset import Dataset, ImageRef, Maps, Split, open_dataset
from zoo.data.decode import decode_rgb
from zoo.errors import ImageError, RunError, UsageError
from zoo.support.machine import cores

if TYPE_CHECKING:
    import tensorflow as tf

PREFETCHED_BATCHES = 4
LAST_CALLS_SECONDS = 10.0
ZOOM_SEED = 6_000_011  # keeps the sizes of places apart from where they are under one seed
PANEL_SEED = 7_000_003  # and which panel of a page it is
VIEW_LEAST = 64
"""Of views: images whose shorter side has fewer pixels are left out."""

VIEW_PARTS = (0.5, 1.0)
"""Of views: the side of the place, as a part of the picture's shorter side."""


@dataclass(frozen=True)
class Share:
    """Which part of every batch a pipeline gives: batches are shared out over workers, and over each one's devices.

    Attributes:
        worker: the worker's number.
        workers: how many there are.
        replicas: devices of all workers.
    """

    worker: int = 0
    workers: int = 1
    replicas: int = 1


WHOLE = Share()
_DECODERS = (None, "jpeg", "png")


@dataclass(frozen=True)
class FixedCrop:
    """A crop that is the same in every run with one seed.

    Attributes:
        name: of the image it is from.
        rgb: uint8 (crop, crop, 3).
        top: its first row in the image.
        left: its first column.
        maps: class, object and mode of each pixel, three uint8 (crop, crop) arrays; None unless the page was drawn.
    """

    name: str
    rgb: np.ndarray
    top: int
    left: int
    maps: Maps | None


def training_pairs(
    data: str | Path | Dataset,
    *,
    split: str = "train",
    crop: int = 128,
    batch_size: int = 8,
    flip: bool = False,
    seed: int = 0,
) -> "tf.data.Dataset":
    """Batches of luma, float32 (B, crop, crop, 1) in [0, 1], and its UV, float32 (B, crop, crop, 2).

    `keras.Model.fit` takes them as they are, and `zoo.train` is not needed. Of train, random crops without end: `fit`
    needs `steps_per_epoch`, and an epoch of images // batch_size steps shows about every image once. Of val and test,
    one fixed crop of each image, once, and the last batch may be smaller.

    >>> pages = open_dataset("my-pages/", crop=128)
    >>> model = zoo.create("residual")
    >>> model.compile("adam", "mse")
    >>> steps, val = len(pages.splits["train"].images) // 8, training_pairs(pages, split="val")
    >>> model.fit(training_pairs(pages), steps_per_epoch=steps, validation_data=val, epochs=10, shuffle=False)

    Args:
        data: what `--data` takes (see `zoo.data.dataset.open_dataset`), or a data set opened with this crop or larger.
        split: train, val or test.
        crop: side of the crops in pixels.
        batch_size: crops in a batch.
        flip: whether to mirror every other crop of train, at random, left to right.
        seed: any 64-bit integer; it chooses the crops.

    Raises:
        UsageError: the data set cannot be used, the split is empty, or an image of it is smaller than the crop.
    """
    import tensorflow as tf

    if split not in SPLITS:
        raise UsageError(f"split is one of {', '.join(SPLITS)}, not {split!r}")
    if crop < 1 or batch_size < 1:
        raise UsageError(f"crop and batch_size must be at least 1, not {crop} and {batch_size}")
    dataset = data if isinstance(data, Dataset) else open_dataset(data, crop=crop)
    images = dataset.splits[split]
    if split == "train":
        batches = crop_batches(images, batch_size=batch_size, crop=crop, seed=seed, flip=flip)
    else:
        crops = fixed_crops(images, count=len(images.images), crop=crop, seed=seed)
        batches = tf.data.Dataset.from_tensor_slices(np.stack([each.rgb for each in crops])).batch(batch_size)

    @tf.autograph.experimental.do_not_convert
    def pair(rgb: "tf.Tensor") -> "tuple[tf.Tensor, tf.Tensor]":
        return split_luma(tf.cast(rgb, tf.float32) / 255.0)

    return batches.map(pair)


def crop_batches(
    split: Split,
    *,
    batch_size: int,
    crop: int,
    seed: int,
    start_step: int = 0,
    flip: bool = False,
    zoom: float = 1.0,
    views: bool = False,
    cache: str | None = None,
    share: Share = WHOLE,
) -> "tf.data.Dataset":
    """Endless batches of random crops: uint8 (batch_size, crop, crop, 3).

    Every epoch shows each image once, in a new order; epochs run on across batches. Go through them with `iterate`.

    Args:
        split: where the images come from.
        batch_size: crops in a batch.
        crop: side of the crops in pixels.
        seed: any 64-bit integer.
        start_step: the step of the first batch.
        flip: whether to mirror every other crop, at random, left to right.
        zoom: a crop is of a place up to so many times as large, as far as the image goes, at random (as many between 1
            and 2 as between 2 and 4), reduced to its size by averaging; at 1 nothing is resized.
        views: instead of crops, views: a place of half to all of the picture's shorter side, resized to the crop's
            size. The picture is the image, or a panel of it: see `zoo.data.dataset.with_panels`.
        cache: `memory` or `disk` keeps decoded images (see `zoo.data.cache`); None decodes the crop alone, each
            time. The crops are the same.
        share: the part of every batch to give, one device's after the other's.

    Raises:
        UsageError: the split is empty, an image of it is smaller than the crop (than `VIEW_LEAST`, of views), or the
            cache has no room.
    """
    import tensorflow as tf

    _check_crop(split, VIEW_LEAST if views else crop)
    decoded = DecodedImages(split, cache) if cache else None
    images = split.images
    zipped = images[0].archive is not None
    with tf.device("CPU"):  # where tf.data runs
        paths = tf.constant([os.fsencode(image.path) for image in images])
        sizes = tf.constant([(image.height, image.width) for image in images], tf.int64)
        if views:
            pictures = tf.ragged.constant([image.pictures for image in images], ragged_rank=1, dtype=tf.int32)
        decoders = tf.constant([_DECODERS.index(image.fast) for image in images])

    def example(n: "tf.Tensor") -> "tf.Tensor":
        index = _shuffled(n, len(images), seed)
        # Integers modulo the range: the bias is below 1e-5, and no rounding can reach the far edge.
        bits = tf.random.stateless_uniform([3], [seed, n], minval=None, maxval=None, dtype=tf.int32)
        side, first, picture = crop, 0, tf.cast(sizes[index], tf.int32)
        if views:
            panels = pictures[index]
            which = tf.random.stateless_uniform([2], [seed + PANEL_SEED, n])
            panel = panels[tf.cast(which[0] * tf.cast(tf.shape(panels)[0], tf.float32), tf.int32)]
            first, picture = panel[:2], panel[2:]
            part = VIEW_PARTS[0] + (VIEW_PARTS[1] - VIEW_PARTS[0]) * which[1]
            side = tf.cast(tf.round(part * tf.cast(tf.reduce_min(picture), tf.float32)), tf.int32)
        elif zoom > 1:
            part = tf.random.stateless_uniform([], [seed + ZOOM_SEED, n])
            longest = tf.minimum(crop * zoom**part, tf.cast(tf.reduce_min(sizes[index]), tf.float32))
            side = tf.cast(longest, tf.int32)
        top, left = tf.unstack(first + bits[:2] % (picture - side + 1))

        def contents() -> "tf.Tensor":
            if zipped:
                return tf.numpy_function(_calls.counted(lambda i: images[i].read()), [index], tf.string)
            return tf.io.read_file(paths[index])

        def with_pillow() -> "tf.Tensor":
            def cut(i: int, top: int, left: int, side: int) -> np.ndarray:
                return images[i].decode()[top : top + side, left : left + side]

            return tf.numpy_function(_calls.counted(cut), [index, top, left, side], tf.uint8)

        def jpeg() -> "tf.Tensor":
            # Decodes the crop alone. A column more on either side keeps the chroma exact where the crop ends on
            # a block: its upsampling looks at neighbours. The accurate transform is the one that Pillow uses.
            start = tf.maximum(left - 1, 0)
            stop = tf.minimum(left + side + 1, tf.cast(sizes[index, 1], tf.int32))
            box = tf.stack([top, start, side, stop - start])
            wide = tf.io.decode_and_crop_jpeg(contents(), box, channels=3, dct_method="INTEGER_ACCURATE")
            return wide[:, left - start : left - start + side]

        def png() -> "tf.Tensor":
            return tf.io.decode_png(contents(), channels=3)[top : top + side, left : left + side]

        def kept(i: int, top: int, left: int, side: int) -> np.ndarray:
            assert decoded
            return decoded.crop(int(i), int(top), int(left), int(side))

        if decoded:
            rgb = tf.numpy_function(_calls.counted(kept), [index, top, left, side], tf.uint8)
        else:
            rgb = tf.switch_case(decoders[index], [with_pillow, jpeg, png])
        if views or zoom > 1:
            rgb = tf.ensure_shape(rgb, [None, None, 3])
            # Places of views may be smaller than the crop, where averages would be squares.
            how: dict[str, Any] = {"method": "bilinear", "antialias": True} if views else {"method": "area"}
            rgb = tf.cast(tf.round(tf.image.resize(rgb, [crop, crop], **how)), tf.uint8)
        rgb = tf.ensure_shape(rgb, [crop, crop, 3])
        return tf.cond(bits[2] % 2 == 1, lambda: rgb[:, ::-1], lambda: rgb) if flip else rgb

    return _batches(example, batch_size, start_step, share)


def repeat_batches(
    rgb: np.ndarray, *, batch_size: int, seed: int, start_step: int = 0, share: Share = WHOLE
) -> "tf.data.Dataset":
    """Endless batches, uint8 (batch_size, crop, crop, 3), of the same few crops in a new order every epoch.

    Args:
        rgb: the crops, uint8 (count, crop, crop, 3).
        batch_size: crops in a batch.
        seed: any 64-bit integer.
        start_step: the step of the first batch.
        share: the part of every batch to give, one device's after the other's.
    """
    import tensorflow as tf

    with tf.device("CPU"):  # where tf.data runs
        crops = tf.constant(rgb)
    return _batches(lambda n: crops[_shuffled(n, len(rgb), seed)], batch_size, start_step, share)


def batch_indices(step: int, *, count: int, batch_size: int, seed: int) -> list[int]:
    """Which of `count` images the batch of a step is of, in the order of its crops.

    Args:
        step: counted from 0.
        count: images of the split.
        batch_size: crops in a batch.
        seed: that of the batches.
    """
    import tensorflow as tf

    with tf.device("CPU"):
        numbers = tf.range(step * batch_size, (step + 1) * batch_size, dtype=tf.int64)
        return [int(_shuffled(n, count, seed)) for n in numbers]


def iterate(batches: "Iterable[tf.Tensor]", split: Split) -> "Generator[tf.Tensor, None, None]":
    """Yields the batches; names the file if one was changed or removed since the scan.

    Raises:
        RunError: a file of the split is not what it was.
    """
    import tensorflow as tf

    try:
        yield from batches
    except tf.errors.OpError:
        # The error does not tell which file it is about, so all are read again.
        for image in split.images:
            _decode_with_tensorflow(image, read_unchanged(image))
        raise


def _decode_with_tensorflow(image: ImageRef, data: bytes) -> None:
    """Raises RunError if TensorFlow's decoder refuses an image that Pillow has read; damaged ones can be like that."""
    import tensorflow as tf

    try:
        if image.fast == "jpeg":
            box = [0, 0, image.height, image.width]
            tf.io.decode_and_crop_jpeg(data, box, channels=3, dct_method="INTEGER_ACCURATE")
        elif image.fast == "png":
            tf.io.decode_png(data, channels=3)
    except tf.errors.OpError:
        raise RunError(
            f"{image.name} is damaged in a way that TensorFlow's decoder refuses: save it anew or remove it, or keep"
            " decoded images by --cache memory, which reads them by another decoder"
        ) from None


def fixed_crops(split: Split, *, count: int, crop: int, seed: int, views: bool = False) -> list[FixedCrop]:
    """Returns `count` crops, the i-th depending on the split, the seed and i alone.

    No image is used twice before all have been used. Order and places come from a hash rather than from a
    random generator, so that no library version changes them.

    Args:
        split: where the images come from.
        count: how many.
        crop: side of the crops in pixels.
        seed: any integer.
        views: instead of crops, places of all of the picture's shorter side, resized to the crop's size: see
            `crop_batches`.

    Raises:
        UsageError: the split is empty, or an image of it is smaller than the crop (than `VIEW_LEAST`, of views).
        RunError: a file is not what it was when the data set was opened.
    """
    _check_crop(split, VIEW_LEAST if views else crop)
    crops: list[FixedCrop] = []
    order: list[tuple[bytes, ImageRef]] = []
    for i in range(count):
        epoch, position = divmod(i, len(split.images))
        if position == 0:
            order = sorted(((_hash(seed, epoch, image), image) for image in split.images), key=lambda pair: pair[0])
        key, image = order[position]
        # The first bytes of the hash made the order; the next ones are independent of it.
        y, x, height, width, side = 0, 0, image.height, image.width, crop
        if views:
            y, x, height, width = image.pictures[int.from_bytes(key[24:32]) % len(image.pictures)]
            side = min(height, width)
        top = y + int.from_bytes(key[8:16]) % (height - side + 1)
        left = x + int.from_bytes(key[16:24]) % (width - side + 1)
        box = np.s_[top : top + side, left : left + side]
        maps = None
        if split.read_maps:
            classes, objects, modes = (
                _resized(each[box], crop, Image.Resampling.NEAREST) for each in split.read_maps(image.path)
            )
            maps = classes, objects, modes
        # A copy, of another size or not: a part of the page would keep all of it in memory.
        rgb = _resized(decode_rgb(read_unchanged(image))[box], crop, Image.Resampling.BILINEAR)
        crops.append(FixedCrop(image.name, rgb, top, left, maps))
    return crops


def _resized(x: np.ndarray, side: int, how: Image.Resampling) -> np.ndarray:
    """A square of uint8 at another size, a copy."""
    return np.array(Image.fromarray(x).resize((side, side), how))


def _hash(seed: int, epoch: int, image: ImageRef) -> bytes:
    return hashlib.sha256(f"{seed} {epoch} {image.digest}".encode()).digest()


class _Calls:
    """The calls that tf.data makes to Python, ahead of whoever asks for batches.

    An iterator that is still there when Python ends waits for its calls, which never return by then: the process
    would hang. So Python does not end before they have all been made; nobody asks for more.
    """

    def __init__(self) -> None:
        self._lock, self._begun, self._running = threading.Lock(), 0, 0
        atexit.register(self._wait)

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with its calls counted."""

        def call(*arguments: Any) -> Any:
            with self._lock:
                self._begun, self._running = self._begun + 1, self._running + 1
            try:
                return function(*arguments)
            finally:
                with self._lock:
                    self._running -= 1

        return call

    def _wait(self) -> None:
        seen, end = 0, time.monotonic() + LAST_CALLS_SECONDS
        while (self._running or self._begun != seen) and time.monotonic() < end:
            seen = self._begun
            time.sleep(0.1)


_calls = _Calls()


def _shuffled(n: "tf.Tensor", count: int, seed: int) -> "tf.Tensor":
    """The index of the n-th example when epoch after epoch of `count` images is shuffled, without any state."""
    import tensorflow as tf

    key = tf.stack([tf.constant(seed, tf.int64), n // count])
    return tf.random.experimental.index_shuffle(n % count, key, max_index=tf.constant(count - 1, tf.int64))


def _batches(
    example: Callable[["tf.Tensor"], "tf.Tensor"], batch_size: int, start_step: int, share: Share
) -> "tf.data.Dataset":
    """A share of the batches of `example(n)` for n from the first of `start_step` on."""
    import tensorflow as tf

    mine = batch_size // share.workers
    numbers = tf.data.Dataset.counter(start=start_step * mine, dtype=tf.int64)
    if share.workers > 1:
        numbers = numbers.map(lambda i: i // mine * batch_size + share.worker * mine + i % mine)
    example = tf.autograph.experimental.do_not_convert(example)
    examples = numbers.map(example, num_parallel_calls=cores(), deterministic=True)
    batches = examples.batch(batch_size // share.replicas, drop_remainder=True)
    batches = batches.prefetch(PREFETCHED_BATCHES * share.replicas // share.workers)
    # Nothing is left to tune, and the thread that tunes can hold the end of a run up for a minute: it sleeps that long
    # between two looks, and an iterator waits for it.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)


def _check_crop(split: Split, crop: int) -> None:
    if not split.images:
        raise UsageError(f"the {split.name} split has no images")
    for image in split.images:
        if min(image.width, image.height) < crop:
            raise UsageError(f"{image.name}: {image.width} x {image.height} is smaller than the crop, {crop}")


def read_unchanged(image: ImageRef) -> bytes:
    """The bytes of an image.

    Raises:
        RunError: they are not what they were when the data set was opened.
    """
    try:
        data = image.read()
    except (ImageError, OSError) as error:
        raise RunError(f"{image.name} can no longer be read: {error}") from None
    if hashlib.sha256(data).hexdigest() != image.digest:
        raise RunError(f"{image.name} has changed since the data set was opened")
    return data
