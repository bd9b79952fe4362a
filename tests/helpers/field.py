"""The networks of the field are tested small: at their full width a step takes seconds, and has no other code."""

SMALL: dict[str, dict[str, float | str]] = {
    **{name: {"width": 0.125} for name in ("larsson16", "iizuka16", "eccv16", "siggraph17", "pix2pix")},
    "ddcolor": {"size": "mini"},
}
"""Options that tests build a model with, by its name; none of any other model."""


def small(name: str) -> dict[str, float | str]:
    """The options of a model."""
    return SMALL.get(name, {})


def flags(name: str) -> list[str]:
    """The same for a command line."""
    return [word for key, value in small(name).items() for word in ("--option", f"{key}={value}")]
