"""The version is one version everywhere, the changelog keeps its form, and the forms for issues are forms."""

import re
import tomllib
from pathlib import Path

import pytest

from zoo.support.version import __version__

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
CITATION = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))


def cited(key: str) -> str:
    return re.search(rf"^{key}: (.+)$", CITATION, re.M)[1]


def test_version_and_date_agree():
    unreleased, newest, *_ = re.findall(r"^## (.+)$", CHANGELOG, re.M)
    assert unreleased == "[Unreleased]"
    assert newest == f"[{__version__}] - {cited('date-released')}"
    assert cited("version") == __version__
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", cited("date-released"))


def test_the_licence_is_one_licence():
    assert cited("license") == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"]


def test_changes_are_of_known_kinds():
    kinds = re.findall(r"^### (.+)$", CHANGELOG, re.M)
    assert kinds
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    for release in re.split(r"^## ", CHANGELOG, flags=re.M)[1:]:
        within = re.findall(r"^### (.+)$", release, re.M)
        assert len(within) == len(set(within)), release.partition("\n")[0]


@pytest.mark.needs("yaml")
def test_the_citation_is_whole():
    import yaml

    citation = yaml.safe_load(CITATION)
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert all("title" in each and "authors" in each and "type" in each for each in citation["references"])


@pytest.mark.needs("yaml")
@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_for_issues_are_forms(path):
    import yaml

    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form["name"]
    assert form["description"]
    fields = [each for each in form["body"] if each["type"] != "markdown"]
    assert {each["type"] for each in fields} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({each["id"] for each in fields}) == len(fields)
    assert all(each["attributes"]["label"] for each in fields)
    assert any(each.get("validations", {}).get("required") for each in fields)


def test_there_are_forms():
    assert {path.stem for path in FORMS} == {"bug", "model", "results"}
