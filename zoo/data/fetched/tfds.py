"""Data sets of TensorFlow Datasets (TFDS), as `tfds:NAME`.

TFDS downloads and keeps a data set in its own folder (`$TFDS_DATA_DIR`); what is there already is used.

CACHE/tfds-NAME/NAME-VERSION   its images as they are in there; taken away when they are prepared
CACHE/tfds-NAME/pages          the same, prepared: what `--data tfds:NAME` opens, for which TFDS is not needed
"""

import contextlib
import difflib
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from zoo.data.fetched.get import Show, prepare_once, require_space, show_nothing
from zoo.data.image_files import Progress, are_splits, folder_split
from zoo.data.prepared.manifest import read_record
from zoo.data.prepared.prepare import Settings
from zoo.errors import RunError, UsageError
from zoo.support.command import silence
from zoo.support.files import atomic_path, cache_dir
from zoo.support.names import printable

PREFIX = "tfds:"

FOLDER_VARIABLE = "TFDS_DATA_DIR"
"""TFDS reads it when it is imported only."""

SHORTEST = 32
"""Smaller images, in pixels, are dropped."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:\d+\.\d+\.\d+)?")


def tfds_pages(spec: str) -> Path:
    """The folder of pages that `get_tfds` made.

    Raises:
        UsageError: `spec` is no such name, or the data set was not got yet; the message says how to.
    """
    pages = _home(spec) / "pages"
    if read_record(pages) is None:
        raise UsageError(f"{spec} is not downloaded yet: python -m zoo.data get {spec}")
    return pages


def get_tfds(
    spec: str, to: Path | None = None, *, show: Show = show_nothing, say: Callable[[str], None] = lambda text: None
) -> tuple[Path, dict[str, Any]]:
    """Has TFDS download a data set, and prepares its images. Its splits train, validation and test are kept.

    Args:
        spec: "tfds:NAME", with or without /CONFIG and :VERSION.
        to: where to; by default the cache, where `--data tfds:NAME` looks.
        show: makes the progress of each step.
        say: is told what the data set is, before it is downloaded.

    Returns:
        The folder of pages, and what its `prepared.json` says.

    Raises:
        UsageError: TFDS is not installed, knows no such data set or cannot get it; or it has no colour images.
        RunError: what TFDS has is damaged, or the disk is full.
    """
    home = _home(spec)
    root = to or home
    record = read_record(root / "pages")
    if record is not None:
        return root / "pages", record
    tfds = _import_tfds()
    builder = _find(tfds, spec)
    feature = _image_feature(tfds, builder)
    licence = printable(" ".join((builder.info.redistribution_info.license or "").split()))
    say(
        f"{builder.info.full_name}: {builder.info.download_size} to download, {builder.info.dataset_size} prepared by"
        f" TensorFlow Datasets in {builder.data_dir}. Licence: {licence or 'TensorFlow Datasets states none'}. From"
        f" {builder.info.homepage or 'an unnamed place'}"
    )
    if builder.info.citation:
        say("\n".join(map(printable, builder.info.citation.splitlines())))
    with _on_standard_error(tfds):
        try:
            builder.download_and_prepare()
        except Exception as error:  # TFDS raises what its parts do
            raise UsageError(f"TensorFlow Datasets could not get {spec}: {_reason(error)}") from error
    own = are_splits(builder.info.splits)
    raw = root / builder.info.full_name.replace("/", "-")

    def fetch(root: Path) -> Path:
        require_space(root, 2 * int(builder.info.dataset_size))
        raw.mkdir(exist_ok=True)
        with show("unpacking", "images") as progress, _on_standard_error(tfds):
            _write_images(tfds, builder, feature, raw, own, progress)
        return raw

    settings = Settings(licence=licence, shortest=SHORTEST, group="split" if own else "file")
    found = prepare_once(root, settings, fetch, show)
    shutil.rmtree(raw, ignore_errors=True)
    return found


def _home(spec: str) -> Path:
    name = spec.removeprefix(PREFIX)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{spec!r} is no name of a data set: it is {PREFIX}NAME, with or without /CONFIG and :1.2.3")
    return cache_dir() / f"tfds-{re.sub('[/:]', '-', name)}"


def _import_tfds() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with silence():
            import tensorflow  # noqa: F401
            import tensorflow_datasets as tfds
    except ImportError as error:
        raise UsageError(
            f"{PREFIX}NAME needs TensorFlow Datasets, which cannot be imported ({error}):"
            " pip install 'keras-colorization-zoo[tfds]'"
        ) from None
    return tfds


def _find(tfds: Any, spec: str) -> Any:
    """The builder of a data set."""
    name = spec.removeprefix(PREFIX)
    try:
        with _on_standard_error(tfds):
            return tfds.builder(name, data_dir=os.environ.get(FOLDER_VARIABLE))
    except tfds.core.DatasetNotFoundError:
        known = tfds.list_builders(with_community_datasets=False)
        near = difflib.get_close_matches(re.split("[/:]", name)[0], known, n=3)
        hint = f"did you mean {' or '.join(PREFIX + each for each in near)}?" if near else "its catalogue lists them"
        raise UsageError(f"TensorFlow Datasets has no data set {name!r}; {hint}") from None
    except Exception as error:  # an unknown configuration or version, a package that it needs
        raise UsageError(f"TensorFlow Datasets cannot open {spec}: {_reason(error)}") from error


def _image_feature(tfds: Any, builder: Any) -> str:
    """The name of the first colour image in an example."""
    features = builder.info.features or {}
    for name, feature in features.items():
        if isinstance(feature, tfds.features.Image) and feature.shape[-1] == 3:
            return str(name)
    raise UsageError(f"{builder.info.full_name} has no colour images: its features are {', '.join(features) or 'none'}")


def _write_images(tfds: Any, builder: Any, feature: str, raw: Path, own: bool, progress: Progress) -> None:
    """Writes the images, as TFDS has them encoded, to `raw`/SPLIT/TFDS-SPLIT-NUMBER. Those that are there are left."""
    import tensorflow as tf

    wanted = {name: folder_split(name) if own else name for name in builder.info.splits}
    total = sum(builder.info.splits[name].num_examples for name, folder in wanted.items() if folder)
    done = 0
    decoders = tfds.decode.PartialDecoding({feature: True}, decoders={feature: tfds.decode.SkipDecoding()})
    try:
        for name, folder in wanted.items():
            if folder is None:
                continue
            (raw / folder).mkdir(parents=True, exist_ok=True)
            there = {path.name for path in (raw / folder).iterdir()}
            examples = builder.as_dataset(split=name, shuffle_files=False, decoders=decoders)
            for number, example in enumerate(examples.as_numpy_iterator()):
                data = example[feature]
                suffix = "png" if data.startswith(b"\x89PNG") else "jpg"  # what it is, its first bytes will say
                file = f"{name}-{number:07d}.{suffix}"
                if file not in there:
                    with atomic_path(raw / folder / file) as temporary:
                        temporary.write_bytes(data)
                done += 1
                progress(done, total)
    except OSError as error:
        raise RunError(
            f"{raw}: {error.strerror or error}; what is done is kept: the same command goes on from there"
        ) from error
    except tf.errors.OpError as error:
        raise RunError(f"{builder.data_dir} is damaged: {_reason(error)}; remove that folder") from error


@contextlib.contextmanager
def _on_standard_error(tfds: Any) -> Iterator[None]:
    """Keeps what TFDS prints off standard output, its warnings out, and its bars off what is no terminal."""
    absl = logging.getLogger("absl")
    level = absl.level
    absl.setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        absl.setLevel(level)


def _reason(error: Exception) -> str:
    """The start of an error's message, which may have pages."""
    text = " ".join(printable(line) for line in str(error).strip().splitlines()[:4])
    return f"{type(error).__name__}: {text[:500]}"
