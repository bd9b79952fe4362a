"""Pages of the site that lie outside of `docs/`, and links that lead there.

The Markdown of the project reads on a code host, where the study is `reports/README.md` and links lead from file to
file. On the site such a page is a stub in `docs/site/`, whose place the page takes when Sphinx reads it. Links are led
to where the site has what they mean; the Markdown pages of the evaluations are sections of the report page there.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.logging import getLogger

LOGGER = getLogger(__name__)
ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REPORT = "reports/index.html"
COMMENT = re.compile(r"<!--.*?-->", re.S)
FENCED = re.compile(r"(^ *```.*?^ *```)", re.S | re.M)
LOADED = re.compile(
    r"""<(?:script|link|img|iframe|source|video|audio|embed)\b[^>]*?\s(?:src|href)=["']?((?:https?:)?//[^"'\s>]+)"""
    r"""|url\(\s*["']?((?:https?:)?//[^"')]+)|@import\s+["']((?:https?:)?//[^"']+)""",
    re.I,
)
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\[\]]*\])*)\]\(([^)\s]+)\)")


def up(docname: str) -> str:
    """The way from a page to the top of the site."""
    return "../" * docname.count("/")


def section_of_the_report(name: str) -> str | None:
    """The section of the report page that a file of `reports/` is on the site; None of any other file."""
    sections = {"index.html": "", "runs.md": "#runs", "benchmarks.md": "#benchmarks"}
    found = re.fullmatch(r"evaluation-(.+)\.md", name)
    return f"#on-{found[1]}" if found else sections.get(name)


def led(text: str, origin: Path, docname: str, pages: dict[str, str]) -> str:
    """A page's Markdown with its links led to where the site has what they mean.

    Args:
        text: the page.
        origin: its file.
        docname: what Sphinx calls it.
        pages: files of the project, from its top, by the docname that they have on the site.
    """
    names = {(ROOT / path).resolve(): name for name, path in pages.items()}

    def link(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        file, _, anchor = target.partition("#")
        if not file or re.match(r"[a-z]+:", target):
            return match[0]
        path = (origin.parent / file).resolve()
        after = f"#{anchor}" if anchor else ""
        if path in names:
            return f"[{words}]({up(docname)}{names[path]}.md{after})"
        section = section_of_the_report(path.name) if path.parent == ROOT / "reports" else None
        if section is not None:
            return f'<a href="{up(docname)}{REPORT}{after or section}">{words}</a>'
        there = Path(os.path.relpath(path, (DOCS / docname).parent)).as_posix()
        return f"{picture}[{words}]({there}{after})"

    parts = FENCED.split(text)
    return "".join(part if number % 2 else LINK.sub(link, part) for number, part in enumerate(parts))


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Puts a page from outside in the place of its stub, and leads links."""
    pages = app.config.outside_pages
    origin = DOCS / f"{docname}.md"
    if docname in pages:
        origin = ROOT / pages[docname]
        app.env.note_dependency(str(origin))
        source[0] = origin.read_text(encoding="utf-8")
    source[0] = led(COMMENT.sub("", source[0]), origin, docname, pages)


def loaded(text: str) -> list[str]:
    """What a page or a style sheet would load from another server: scripts, styles, fonts, pictures, frames."""
    return [match[1] or match[2] or match[3] for match in LOADED.finditer(text)]


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Puts the report page on the site, and warns of what would be loaded from elsewhere."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    (out / REPORT).parent.mkdir(exist_ok=True)
    shutil.copyfile(ROOT / REPORT, out / REPORT)
    for path in (*out.rglob("*.html"), *out.rglob("*.css")):
        for address in loaded(path.read_text(encoding="utf-8")):
            LOGGER.warning("%s would load %s: the site has to work without a network", path.relative_to(out), address)


def setup(app: Sphinx) -> dict[str, Any]:
    """Tells Sphinx of `outside_pages`: files of the project, from its top, by docname."""
    app.add_config_value("outside_pages", {}, "env", dict)
    app.connect("source-read", read)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True}
