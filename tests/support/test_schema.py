"""What settings may be, and what is said of those that may not."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from zoo.errors import UsageError
from zoo.support.schema import Range, check_fields, misfit, setting


@dataclasses.dataclass(frozen=True)
class Settings:
    steps: int = setting(4, least=1, most=9)
    crop: int = setting(16, least=16, multiple=8)
    share: float = setting(0.0, least=0, below=1)
    rate: float = setting(0.1, above=0)
    flip: bool = setting(False)
    kind: str = setting("sgd", choices=("sgd", "adam"))
    free: object = None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 0, "--steps must be in [1, 9], not 0"),
        ("steps", 10, "--steps must be in [1, 9], not 10"),
        ("steps", 3.5, "--steps must be a whole number, not 3.5"),
        ("steps", "abc", "--steps must be a whole number, not 'abc'"),
        ("steps", True, "--steps must be a whole number, not True"),
        ("steps", None, "--steps must be a whole number, not None"),
        ("crop", 20, "--crop must be a multiple of 8 and at least 16, not 20"),
        ("share", 1, "--share must be in [0, 1), not 1.0"),
        ("share", float("nan"), "--share must be in [0, 1), not nan"),
        ("rate", 0, "--rate must be above 0, not 0.0"),
        ("rate", float("inf"), "--rate must be above 0, not inf"),
        ("rate", 10**400, "--rate must be above 0, not inf"),
        ("rate", [0.1], "--rate must be a number, not [0.1]"),
        ("flip", 1, "--flip must be true or false, not 1"),
        ("kind", "adm", "--kind must be one of sgd, adam, not 'adm'. Did you mean 'adam'?"),
        ("kind", "x", "--kind must be one of sgd, adam, not 'x'"),
        ("kind", ["sgd"], "--kind must be a text, not ['sgd']"),
    ],
)
def test_what_a_setting_may_not_be_is_said(name, value, message):
    with pytest.raises(UsageError) as error:
        check_fields(Settings(**{name: value}))
    assert str(error.value) == message


def test_what_a_setting_may_be_is_of_its_type():
    found = check_fields(Settings(steps=np.int64(9), share=0, rate=2, free="anything"))
    assert found == Settings(steps=9, share=0.0, rate=2.0, free="anything")
    assert [type(each) for each in (found.steps, found.share, found.rate)] == [int, float, float]
    assert Range().check("here", -1e300, float) == -1e300


def test_a_value_that_is_too_large_to_show_is_cut():
    for value in ("x" * 10**6, 10**5000, [1] * 10**6):
        with pytest.raises(UsageError) as error:
            Range().check("--flip", value, bool)
        assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    ("value", "wanted", "message"),
    [
        ({"a": 1}, {"a": int}, None),
        ({"a": 1, "b": ""}, {"a": float}, None),
        ({"a": [1, None]}, {"a": list[float | None]}, None),
        ({}, {"a": int}, "a is missing"),
        ({"a": True}, {"a": int}, "a is True"),
        ({"a": 10**30}, {"a": float}, f"a is {10**30}"),
        ({"a": {"b": []}}, {"a": {"b": str}}, "a: b is []"),
        ({"a": {"b": {"c": "x"}}}, {"a": dict[str, dict[str, int]]}, "a is {'b': {'c': 'x'}}"),
    ],
)
def test_what_does_not_fit_is_named(value: dict[str, Any], wanted: dict[str, Any], message: str | None) -> None:
    assert misfit(value, wanted) == message
