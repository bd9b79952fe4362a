"""Decoded images kept for the next epoch, in memory or on disk, for machines that train faster than they decode."""

import contextlib
import shutil
import warnings
from pathlib import Path

import numpy as np

from zoo.data.dataset import ImageRef, Split
from zoo.errors import UsageError
from zoo.support.files import CACHE_VARIABLE, atomic_path, cache_dir
from zoo.support.machine import available_memory

CACHES = ("memory", "disk")


class DecodedImages:
    """The decoded images of a split, each decoded when it is first asked for. Safe to use from several threads.

    Args:
        split: the images.
        kind: `memory`, or `disk`: files by digest in the cache directory, shared by every run and process.

    Raises:
        UsageError: an unknown kind, or not enough memory or disk space for all of them.
    """

    def __init__(self, split: Split, kind: str) -> None:
        if kind not in CACHES:
            raise UsageError(f"the cache is one of {', '.join(CACHES)}, not {kind!r}")
        self._images = split.images
        self._folder = cache_dir() / "decoded" if kind == "disk" else None
        self._kept: dict[int, np.ndarray] = {}
        self._warned = False
        missing = [image for image in self._images if not (self._folder and self._file(image).exists())]
        needed = sum(image.width * image.height * 3 for image in missing)
        if self._folder:
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise UsageError(
                    f"{self._folder} cannot be written ({error.strerror}): set {CACHE_VARIABLE} to a folder that can,"
                    " or leave --cache out"
                ) from error
            have: int | None = shutil.disk_usage(self._folder).free
        else:
            have = available_memory()
        if have is not None and needed > have:
            raise UsageError(
                f"a {kind} cache of {len(missing)} decoded images takes {needed / 1e9:.1f} GB; {have / 1e9:.1f} GB are"
                f" free{f' at {self._folder}' if self._folder else ''}. Leave --cache out"
                f"{'' if self._folder else ', or use --cache disk'}"
            )

    def crop(self, index: int, top: int, left: int, size: int) -> np.ndarray:
        """A crop of the image at `index` of the split: uint8 (size, size, 3)."""
        pixels = self._kept.get(index)
        if pixels is None:
            pixels = self._load(self._images[index])
            if not isinstance(pixels, np.memmap):  # which has its file open: there may be thousands
                self._kept[index] = pixels
        return np.ascontiguousarray(pixels[top : top + size, left : left + size])

    def _file(self, image: ImageRef) -> Path:
        assert self._folder is not None
        return self._folder / f"{image.digest}.npy"

    def _load(self, image: ImageRef) -> np.ndarray:
        if self._folder is None:
            return image.decode()
        with contextlib.suppress(OSError, ValueError):
            mapped = np.load(self._file(image), mmap_mode="r")
            if mapped.shape == (image.height, image.width, 3) and mapped.dtype == np.uint8:
                return mapped
        pixels = image.decode()
        try:
            with atomic_path(self._file(image)) as temporary:
                np.save(temporary, pixels)
            return np.load(self._file(image), mmap_mode="r")
        except OSError as error:
            if not self._warned:
                self._warned = True
                warnings.warn(f"decoded images stay in memory: {self._folder}: {error}", stacklevel=2)
            return pixels
