"""The page of the gallery in `reports/`: pages that a rule chose, as every model colours them, and whose they are."""

import json
from pathlib import Path
from typing import Any

from zoo.errors import UsageError
from zoo.support.table import plural

KEYS = ("rule", "data", "data_fingerprint", "split", "seed", "headroom", "models", "columns", "environment", "pages")


def load_gallery(folder: Path) -> dict[str, Any]:
    """What `zoo.gallery` says of the pictures in a folder.

    Raises:
        UsageError: it is damaged, or a picture is missing.
    """
    path = folder / "gallery.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in KEYS if key not in record]
        pictures = [folder / page["picture"] for page in record["pages"]]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise UsageError(f"{path} is no gallery's record: {error}") from None
    if missing:
        raise UsageError(f"{path} lacks {', '.join(missing)}")
    gone = [picture.name for picture in pictures if not picture.is_file()]
    if gone:
        raise UsageError(f"{path}: {', '.join(gone)} is not there: make the gallery anew with zoo.gallery")
    return record


def gallery_page(record: dict[str, Any]) -> str:
    """The page.

    Args:
        record: of `load_gallery`.
    """
    here = record["environment"]
    held = [page for page in record["pages"] if page["truth"]]
    scans = [page for page in record["pages"] if not page["truth"]]
    versions = ", ".join(f"{name} {here['libraries'][name]}" for name in ("keras", "tensorflow"))
    commit = (here["commit"] or "unknown")[:7] + (" and changes to it" if here["dirty"] else "")
    columns = "; ".join(f"({number}) {name}" for number, name in enumerate(record["columns"], start=1))
    models = ", ".join(f"`{model}`" for model in record["models"])
    parts = [
        f"# Gallery\n\nMade by `python -m zoo.gallery` and `python tools/report.py build`: {plural(len(held), 'page')}"
        f" of the {record['split']} split of {record['data']}, chosen by a rule and not by taste: {record['rule']}. No"
        f" model was trained on them. From left to right: {columns}. Models: {models}, of commit"
        f" {commit}. Sampling seed {record['seed']}; {here['cpu']}, {versions}.\n"
    ]
    parts += [_entry(page) for page in held]
    if scans:
        room = f", with --headroom {record['headroom']:g}" if record["headroom"] else ""
        parts.append(f"## Drawn in black and white\n\nThese have no true colours{room}.\n")
        parts += [_entry(page) for page in scans]
    return "\n".join(parts)


def _entry(page: dict[str, Any]) -> str:
    credit = "; ".join(filter(None, (page["source"], page["group"], page["licence"])))
    return f"![{page['name']}](gallery/{page['picture']})\n\n*{page['name']}{': ' + credit if credit else ''}*\n"
