"""A page on this machine in which a person colours a book with the mouse: `zoo studio`, or `launch` in a notebook."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo.studio.running import Running


def launch(
    pages: str | Path | Sequence[str | Path],
    model: str | None = None,
    *,
    keep: str | Path | None = None,
    port: int = 0,
    models: Sequence[str] = (),
    desaturate: bool = False,
) -> "Running":
    """Opens a studio from Python, as a notebook does. It listens on the loopback address until `stop` is called.

        studio = zoo.studio.launch("scans/")
        studio.url

    Args:
        pages: as `zoo colorize` takes them: a path, or several.
        model: as `zoo colorize` takes it; None for `guided`.
        keep: the folder of what is decided; None for the usual one.
        port: 0 for any.
        models: further ones to compare with.
        desaturate: colour pages anew that have colours.

    Raises:
        UsageError: no such pages or model, or a package is missing.
    """
    from zoo.studio.__main__ import Words, from_anywhere, opened, parser

    inputs = [pages] if isinstance(pages, (str, Path)) else list(pages)
    # A notebook may change its folder while the studio is open.
    words = [*([model] if model else []), *map(from_anywhere, inputs), "--port", str(port)]
    words += ["--models", ",".join(models)] * bool(models)
    words += ["--keep", str(keep)] * (keep is not None) + ["--desaturate"] * desaturate
    return opened(parser(Words).parse_args(words))
