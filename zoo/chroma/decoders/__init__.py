"""Decoders, which turn distributions over the bins into a colour; each is in a file of this folder.

A decoder is written as `name`, `name:temperature`, or either with `+coherent` for one colour a region, or `+flat` for
that where a region is flat or evenly shaded, and a pixel at a time elsewhere. `Decoder.parse` reads that once;
everything else asks the object. As in `zoo.chroma.yuv`, logits are NumPy arrays or backend tensors.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo.chroma.bins import BINS
from zoo.chroma.yuv import namespace
from zoo.errors import UsageError
from zoo.support.names import Registry, import_all, suggestion

PAGE_DECODER = "annealed+coherent"
"""What pages are coloured by unless told otherwise: on validation pages the nearest to the truth of the vivid ones."""

WHOLE_DECODER = "annealed+flat"
"""The same, of a model that sees pictures whole: what is painted is livelier a pixel at a time, what is flat patchy."""

STEPS = ("coherent", "flat")
"""What may follow a plus."""


def page_decoder(whole: bool) -> str:
    """What pages are coloured by unless told otherwise.

    Args:
        whole: whether the model was trained to see pictures whole.
    """
    return WHOLE_DECODER if whole else PAGE_DECODER


TEMPERATURES = (1e-3, 1e3)
"""The least and the most: at the least any decoder is a mode, and logits divided by less are no numbers."""

RAW = "none"
"""Where logits themselves can be asked for, the word for that."""


@dataclass(frozen=True)
class DecoderKind:
    """A rule from logits to colour.

    Attributes:
        name: what it is called.
        meaning: one line.
        rule: of logits (…, 2, 64), a temperature (None if it takes none) and noise (2, 64) or None, gives UV (…, 2).
        temperature: the default one; None of a rule that takes none.
        needs_noise: whether the rule draws at random, and takes Gumbel noise.
        chained: whether a model that predicts V given U is asked for the V of the U that the rule has chosen. The
            others are of all colours there could be, and look at the two marginals.
        jumps: whether it chooses one of several colours, and none between: logits that are rounded otherwise may change
            its answer by much.
    """

    name: str
    meaning: str
    rule: Callable[[Any, float | None, Any], Any]
    temperature: float | None = None
    needs_noise: bool = False
    chained: bool = False
    jumps: bool = False


DECODERS: Registry[DecoderKind] = Registry("decoder")


def register_decoder(kind: DecoderKind) -> None:
    """Makes a decoder known by its name.

    Raises:
        ValueError: the name is taken.
    """
    DECODERS.add(kind.name, kind)


@dataclass(frozen=True)
class Decoder:
    """A decoder as it was asked for.

    Attributes:
        kind: its rule.
        temperature: None where it takes none.
        step: what follows a plus: `coherent`, one colour a region of even luma and alike answers, see
            `zoo.chroma.regions`; `flat`, that for regions that are flat or evenly shaded, a pixel at a time elsewhere;
            or nothing.
        text: how it is written, such as `sample:0.5+coherent`.
    """

    kind: DecoderKind
    temperature: float | None
    step: str
    text: str

    @classmethod
    def parse(cls, text: "str | Decoder") -> "Decoder":
        """Reads `name`, `name:temperature` or either with `+coherent` or `+flat`.

        Raises:
            UsageError: an unknown decoder, one that takes no temperature, or a temperature out of `TEMPERATURES`.
        """
        if isinstance(text, Decoder):
            return text
        plain, plus, step = text.partition("+")
        if plus and step not in STEPS:
            raise UsageError(f"decoder {text!r}: nothing but {' or '.join(STEPS)} may follow a plus")
        name, colon, value = plain.partition(":")
        if name not in DECODERS:
            raise UsageError(
                f"unknown decoder {name!r}.{suggestion(name, DECODERS)} There are {', '.join(DECODERS)}, with a"
                " temperature as in sample:0.5, and any of them with +coherent or +flat"
            )
        kind = DECODERS[name]
        if not colon:
            return cls(kind, kind.temperature, step, text)
        if kind.temperature is None:
            with_one = " and ".join(each for each in DECODERS if DECODERS[each].temperature is not None)
            raise UsageError(f"decoder {text!r}: {name} takes no temperature; {with_one} do")
        try:
            temperature = float(value)
        except ValueError:
            raise UsageError(f"decoder {text!r}: {value!r} is no temperature") from None
        return cls(kind, _checked(temperature), step, text)

    @property
    def by_region(self) -> bool:
        """Whether regions have a part in its answer."""
        return bool(self.step)

    @property
    def exportable(self) -> bool:
        """Whether it can be part of an exported model: regions are found outside of the network."""
        return not self.by_region

    def noise(self, seed: int | Sequence[int]) -> np.ndarray | None:
        """The Gumbel noise (2, 64) of a seed, if it needs some."""
        return gumbel_noise(seed) if self.kind.needs_noise else None

    def __call__(self, logits: Any, noise: Any = None) -> Any:
        """UV (…, 2) of logits (…, 2, 64).

        Args:
            logits: of U and of V.
            noise: of `noise`, or a tensor like it, where the decoder needs some.
        """
        return self.kind.rule(logits, self.temperature, noise)

    def chain(self, u_logits: Any, v_logits: Callable[[Any], Any], noise: Any = None) -> Any:
        """UV (…, 2) of a model that predicts V given U: U is chosen first, then V given it.

        Args:
            u_logits: of U, (…, 64).
            v_logits: gives those of V, (…, 64), for U (…, 1).
            noise: as above.
        """
        u = self.first(u_logits, noise)
        return self.second(u_logits, v_logits(u), noise)

    def first(self, u_logits: Any, noise: Any = None) -> Any:
        """The U (…, 1) of a chain."""
        return self.second(u_logits, u_logits, noise)[..., :1]

    def second(self, u_logits: Any, v_logits: Any, noise: Any = None) -> Any:
        """The UV (…, 2) of a chain, from the logits of U and those of V given the U chosen, (…, 64) each."""
        return self(namespace(u_logits).stack([u_logits, v_logits], axis=-2), noise)


def gumbel_noise(seed: int | Sequence[int]) -> np.ndarray:
    """Standard Gumbel noise (2, 64): a vector for U and an independent one for V."""
    return np.random.default_rng(seed).gumbel(size=(2, BINS)).astype(np.float32)


def _checked(temperature: float) -> float:
    least, most = TEMPERATURES
    if not least <= temperature <= most:
        raise UsageError(f"temperature must be in [{least:g}, {most:g}], not {temperature}")
    return temperature


def decode(
    logits: Any, method: str = "annealed", *, temperature: float | None = None, seed: int | Sequence[int] = 0
) -> Any:
    """Logits (…, 2, 64) to UV (…, 2) by a decoder's name.

    Args:
        logits: of U and of V.
        method: as `Decoder.parse` takes it; pixels by themselves, whatever their region.
        temperature: in place of the decoder's own.
        seed: of what is drawn at random.

    Raises:
        UsageError: an unknown decoder, or a temperature out of `TEMPERATURES`.
    """
    decoder = Decoder.parse(method if temperature is None else f"{method}:{_checked(temperature)}")
    return decoder(logits, decoder.noise(seed))


import_all(__name__, __path__)
