"""Data-set cards: the ones the package carries, and what is wrong with others."""

import re
from pathlib import Path

import pytest

from zoo.data import cards
from zoo.data.cards import SPLITS, cards_dir, get_card, list_datasets
from zoo.errors import UsageError


@pytest.mark.parametrize("name", list_datasets())
def test_every_card_loads(name: str) -> None:
    card = get_card(name)
    assert card.name == name
    assert card.version >= 1
    assert re.fullmatch("[0-9a-f]{64}", card.digest)
    assert set(card.pages) == set(SPLITS)


def test_the_embedded_data_set_has_a_card() -> None:
    assert "procedural" in list_datasets()


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no data set 'nope'; known: .*procedural"):
        get_card("nope")
    with pytest.raises(UsageError):
        get_card("../datasets/procedural")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("licence", "license", "unknown key 'license'"),
        ("version = 1", 'version = "1"', "version must be of type int, not '1'"),
        ('kind = "procedural"', "", "the key 'kind' is missing"),
        ("test = ", "validation = ", r"\[pages\] must give an integer for each of train, val, test"),
        ('name = "procedural"', 'name = "other"', "the name 'other' differs from the file's"),
        ("=", ":", "procedural.toml"),
    ],
)
def test_wrong_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, message: str) -> None:
    text = (cards_dir() / "procedural.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "procedural.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr(cards, "cards_dir", lambda: tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        get_card("procedural")
    assert "procedural.toml" in str(error.value)
