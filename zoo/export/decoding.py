"""Which decoders can be part of an exported model."""

from zoo.chroma.decoders import DECODERS, RAW, Decoder
from zoo.errors import UsageError


def chosen_decoder(text: str | None) -> Decoder | None:
    """The decoder that `--decode` names; None for none, or for the logits.

    Raises:
        UsageError: an unknown decoder, or one that cannot be exported.
    """
    if text in (None, RAW):
        return None
    decoder = Decoder.parse(str(text))
    if not decoder.exportable:
        raise UsageError(
            f"decoder {text!r} cannot be exported: the regions of even luma are found by scikit-image, outside of the"
            f" network. Export {decoder.text.partition('+')[0]}, or colour with zoo.models.prediction"
        )
    return decoder


def choices() -> str:
    """The decoders that can be exported, in words."""
    return ", ".join(f"{name}[:T]" if DECODERS[name].temperature is not None else name for name in DECODERS)


def check(text: str | None, answer: str, chooses: bool = False) -> None:
    """Raises UsageError if a model cannot be exported with the decoder that `text` names.

    Args:
        text: of `--decode`; None without.
        answer: what the model answers with: `uv` or `logits`.
        chooses: whether the model chooses an input itself, as one that predicts V given U does.
    """
    if answer == "uv":
        if text:
            raise UsageError(f"decoder {text!r}: a regression answers with one colour, and takes no decoder")
    elif text is None:
        raise UsageError(f"a classifier's answer needs a decoder: {choices()}, or {RAW} for the logits themselves")
    elif text == RAW and chooses:
        raise UsageError(f"decoder {RAW!r}: this model's logits of V depend on the U chosen; take one of {choices()}")
