"""Models are tested small, where what is tested is not their size: other code than at their full size there is none.

The networks of the field take seconds for a step at their full width. The others have a light encoder: see `light`.
"""

from light import light

import zoo

SMALL: dict[str, dict[str, float | str]] = {
    **{name: {"width": 0.125} for name in ("larsson16", "iizuka16", "eccv16", "siggraph17", "pix2pix")},
    "ddcolor": {"size": "mini"},
}
"""Options that tests build a model with, by its name; none of any other model."""


REAL = ("residual", "context")
"""The models that keep their encoder in tests of every model, one for each encoder."""


def small(name: str) -> dict[str, float | str]:
    """The options of a model with its own encoder."""
    return SMALL.get(name, {})


def smallest(name: str) -> dict[str, float | str]:
    """The same with a light encoder, which `light.registered` makes known, but for models of `REAL`."""
    encoder = zoo.get_card(name).encoder
    return small(name) | ({"encoder": light(encoder)} if encoder and name not in REAL else {})


def flags(options: dict[str, float | str]) -> list[str]:
    """Options as a command line takes them."""
    pairs = (
        ("--encoder", value) if key == "encoder" else ("--option", f"{key}={value}") for key, value in options.items()
    )
    return [str(word) for pair in pairs for word in pair]
