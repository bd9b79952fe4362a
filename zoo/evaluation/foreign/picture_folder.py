"""Pictures that another program made, as a candidate."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.data.dataset import ImageRef
from zoo.data.decode import decode_rgb, read_header
from zoo.data.image_files import ImageFile, folder_split, inner_path, is_archive, list_images
from zoo.errors import ImageError, UsageError
from zoo.evaluation.candidates import Answer, Subject
from zoo.evaluation.foreign.finished import finished, resized
from zoo.results import Way
from zoo.support.console import say
from zoo.support.table import plural


class PictureFolder:
    """Pictures that another program made, by the names of the images; what counts is each as it is, luma and all.

    Args:
        path: a folder, searched with its sub-folders, or an archive.
        name: what to call it; None for the folder's name.

    Attributes:
        about: what the results file says of it.

    Raises:
        UsageError: no such folder.
    """

    def __init__(self, path: Path, name: str | None) -> None:
        if not path.is_dir() and not (is_archive(path) and path.is_file()):
            raise UsageError(f"files:{path}: no such folder")
        self._path = path
        self._found: dict[str, tuple[ImageFile, ImageRef]] = {}
        label = path.resolve().name if path.is_dir() else path.stem
        self.ways = (Way(name or label, "foreign"),)
        self.about = {"from": f"files:{path.name}"}

    def find(self, images: Sequence[ImageRef]) -> None:
        """Finds the picture of every image: of the same path and, but for the extension, of the same name.

        A folder of a split's name may be missing in front of the path.

        Raises:
            UsageError: one is missing, cannot be read, or there are two of them; the message names it.
        """
        exact: dict[PurePosixPath, ImageFile] = {}
        stems: dict[PurePosixPath, list[ImageFile]] = {}
        for each in list_images(self._path):
            inner = inner_path(each.name)
            exact[inner] = each
            stems.setdefault(inner.with_suffix(""), []).append(each)
        used: dict[str, str] = {}
        others = 0
        for image in images:
            full = inner_path(image.name)
            short = PurePosixPath(*full.parts[1:]) if len(full.parts) > 1 and folder_split(full.parts[0]) else full
            picture = None
            for inner in dict.fromkeys((full, short)):
                alike = [exact[inner]] if inner in exact else stems.get(inner.with_suffix(""), [])
                if len(alike) > 1:
                    raise UsageError(
                        f"files:{self._path}: {alike[0].name} and {alike[1].name} may both be {image.name}: keep one"
                    )
                picture = picture or next(iter(alike), None)
            if picture is None:
                raise UsageError(
                    f"files:{self._path}: no picture of {image.name} (looked for {full.with_suffix('')} with any"
                    " extension of a readable image)"
                )
            if picture.name in used:
                raise UsageError(
                    f"files:{self._path}: {picture.name} may be {used[picture.name]} or {image.name}: give one each"
                )
            used[picture.name] = image.name
            with_size = self._reading(picture, partial(_size_of, picture))
            others += with_size != (image.height, image.width)
            self._found[image.name] = picture, image
        if others:
            count = plural(others, "picture")
            say(f"files:{self._path}: {count} of {len(images)} not of their images' sizes, and resized to them")

    def _reading(self, picture: ImageFile, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except (ImageError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"files:{self._path}: {picture.name} cannot be read: {reason}") from None

    def answers(self, subject: Subject) -> Iterable[Answer]:
        """The picture of the subject, of which the same middle part counts."""
        picture, image = self._found[subject.name]
        rgb = self._reading(picture, lambda: decode_rgb(picture.read()))
        rgb = resized(rgb, image.height, image.width)
        height, width = subject.rgb.shape[:2]
        top, left = (image.height - height) // 2, (image.width - width) // 2
        yield finished(rgb[top : top + height, left : left + width])


def _size_of(picture: ImageFile) -> tuple[int, int]:
    header = read_header(picture.read())
    return header.height, header.width
