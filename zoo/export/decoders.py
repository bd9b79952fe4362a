"""Which decoders can be part of an exported model."""

from dataclasses import dataclass

from zoo.chroma.decoders import DECODERS, WITH_TEMPERATURE, parse_decoder
from zoo.errors import UsageError

LOGITS = "none"  # the "decoder" that leaves a classifier's logits as they are
CHOICES = ", ".join(f"{name}[:T]" if name in WITH_TEMPERATURE else name for name in DECODERS)


@dataclass(frozen=True)
class Decoder:
    """How an exported classifier answers.

    Attributes:
        text: as it was asked for, such as `sample:0.5`.
        name: of `zoo.chroma.decoders.DECODERS`, or `none` for the logits.
        temperature: None where it takes none, or has one of its own.
    """

    text: str
    name: str
    temperature: float | None = None

    @property
    def options(self) -> dict[str, float]:
        """For the decoder's function."""
        return {} if self.temperature is None else {"temperature": self.temperature}

    @property
    def is_discrete(self) -> bool:
        """Whether it answers with the centre of a bin."""
        return self.name in ("mode", "sample")

    @property
    def jumps(self) -> bool:
        """Whether logits that are rounded otherwise may change its answer by much: two bins tie, or two halves do."""
        return self.is_discrete or self.name == "median"


def parse(text: str) -> Decoder:
    """A decoder by its name, with a temperature after a colon if it takes one.

    Raises:
        UsageError: an unknown decoder, or one that cannot be exported.
    """
    if text == LOGITS:
        return Decoder(text, text)
    name, options = parse_decoder(text)
    if "coherent" in options:
        raise UsageError(
            f"decoder {text!r} cannot be exported: the regions of even luma are found by scikit-image, outside of the"
            f" network. Export {text.partition('+')[0]}, or colour with zoo.models.prediction"
        )
    return Decoder(text, name, options.get("temperature"))


def check(decoder: Decoder | None, output: str, conditional: bool) -> None:
    """Raises UsageError if a model cannot be exported with a decoder.

    Args:
        decoder: or None if none was asked for.
        output: what the model answers with: `uv` or `logits`.
        conditional: whether it predicts V given U.
    """
    if output == "uv":
        if decoder:
            raise UsageError(f"decoder {decoder.text!r}: a regression answers with one colour, and takes no decoder")
    elif decoder is None:
        raise UsageError(f"a classifier's answer needs a decoder: {CHOICES}, or {LOGITS} for the logits themselves")
    elif conditional and decoder.name == LOGITS:
        raise UsageError(f"decoder {LOGITS!r}: this model's logits of V depend on the U chosen; take one of {CHOICES}")
