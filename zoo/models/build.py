"""Models as encoder × trunk × head: any encoder takes any trunk, and any trunk any head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from zoo.errors import UsageError
from zoo.models.application import get_encoder
from zoo.models.blocks import ACTIVATIONS, INITIALIZERS, OUTPUTS, Blocks
from zoo.models.contract import Contract
from zoo.models.encoder_weights import load_encoder_weights
from zoo.models.encoders import Encoder
from zoo.models.heads import HEADS
from zoo.models.inputs import INPUTS, LUMA
from zoo.models.layers import CropLike, PadToMultiple
from zoo.models.model import ColorizationModel
from zoo.models.parts import Parts, Pyramid
from zoo.models.trunks import TRUNKS
from zoo.support.names import suggestion
from zoo.support.schema import Range


def _choose(option: str, value: Any, choices: Sequence[Any]) -> Any:
    if value not in choices:
        known = ", ".join(map(str, choices))
        raise UsageError(f"{option} must be one of {known}, not {value!r}.{suggestion(str(value), map(str, choices))}")
    return value


def encoded(encoder: Encoder, luma: Any, weights: str | Path, *, trained: bool, seed: int) -> Pyramid:
    """What an encoder makes of luma.

    Args:
        encoder: of `get_encoder`.
        luma: (B, H, W, 1), padded to a multiple of the coarsest stride.
        weights: `imagenet`, `none` or a file.
        trained: whether its weights are trained; they are frozen otherwise.
        seed: of random weights.

    Raises:
        UsageError: weights that cannot be had.
    """
    image, body = encoder.build(luma, seed)
    load_encoder_weights(body, encoder.card, weights)
    body.trainable = trained
    found = body(image)
    maps = tuple(found) if isinstance(found, (list, tuple)) else (found,)
    return Pyramid(image, encoder.card.taps, maps)


def colorizer(
    *,
    trunk: str,
    head: str,
    name: str = "colorizer",
    encoder: str = "vgg16",
    encoder_weights: str | Path = "imagenet",
    train_encoder: bool = False,
    activation: str = "leaky_relu",
    initializer: str = "truncated_normal",
    output: str | None = None,
    momentum: float = 0.99,
    factored: bool = True,
    stride: int | None = None,
    inputs: Sequence[str] = (),
    seed: int = 0,
) -> ColorizationModel:
    """Builds a colouriser: luma (B, H, W, 1) in [0, 1] to UV (B, H, W, 2) or to logits (B, H, W, 2, 64).

    Height and width may be anything, known or not; outputs are float32 under every precision policy.

    Args:
        trunk: of `zoo.models.trunks`, such as `residual` or `hypercolumn`.
        head: of `zoo.models.heads`: `uv` (one convolution), `residual_uv` (the residual encoder's last rows), `bins`
            (64-bin logits) or `v_given_u` (logits of V given a U).
        name: the model's name.
        encoder: of `zoo.list_encoders()`, or one of `keras.applications` as `keras:NAME:LAYER,LAYER,…`.
        encoder_weights: `imagenet`, `none` (random) or a file: see `zoo.models.encoder_weights`.
        train_encoder: whether the encoder's weights are trained; they are frozen otherwise.
        activation: `leaky_relu` with slope 0.01 (Meda 2016) or `relu` (Dahl 2016).
        initializer: of the trunk's and the head's kernels: `truncated_normal` with standard deviation 0.01 (Meda
            2016), `he_normal` or `glorot_uniform`. The last convolution always has the first of these.
        output: of a regression head: `sigmoid`, batch normalisation and a sigmoid mapped to the range of UV (Dahl
            2016); `normalized`, batch normalisation alone; `linear`, neither. None is `sigmoid`. A head that answers
            with logits takes none.
        momentum: of the moving averages of batch normalisation. Short runs want less than 0.99.
        factored: the hypercolumn's form: see `zoo.models.layers.HypercolumnConv`. The weights are the same.
        stride: the answer is smaller than luma by so much, 1, 2 or 4; None for the trunk's own.
        inputs: names of further inputs, which the trunk or the head finds in its `Parts`.
        seed: of the initial weights.

    Raises:
        UsageError: an option with a value it does not take, or encoder weights that cannot be had.
    """
    for option, value, kind in (
        ("train_encoder", train_encoder, bool),
        ("factored", factored, bool),
        ("seed", seed, int),
        ("encoder", encoder, str),
    ):
        Range().check(option, value, kind)
    momentum = Range(least=0, below=1).check("momentum", momentum, float)
    chosen_head = HEADS[_choose("head", head, list(HEADS))]
    chosen_trunk = TRUNKS[_choose("trunk", trunk, list(TRUNKS))]
    chosen_encoder = get_encoder(encoder)
    if chosen_head.answer == "logits" and output is not None:
        raise UsageError(f"output={output!r} is for regression heads: a {head} head answers with logits")
    stride = chosen_trunk.strides[0] if stride is None else stride
    stride = _choose(f"stride of the trunk {trunk}", stride, chosen_trunk.strides)
    blocks = Blocks(
        activation=_choose("activation", activation, ACTIVATIONS),
        initializer=_choose("initializer", initializer, INITIALIZERS),
        output=_choose("output", "sigmoid" if output is None else output, OUTPUTS),
        momentum=momentum,
        factored=factored,
        seed=seed,
    )

    luma = keras.Input((None, None, 1), name=LUMA)
    if not isinstance(inputs, (list, tuple)) or not all(isinstance(each, str) for each in inputs):
        raise UsageError(f"inputs must be a list of names of inputs, not {inputs!r}")
    names = tuple(dict.fromkeys([*inputs, *chosen_trunk.inputs, *chosen_head.inputs]))
    extras = {each: keras.Input((None, None, INPUTS[each].channels), name=each) for each in names}
    multiple = chosen_encoder.card.multiple
    padded = {LUMA: PadToMultiple(multiple, name="pad")(luma)}
    padded |= {
        each: PadToMultiple(multiple, name=f"pad_{each}")(x) for each, x in extras.items() if not INPUTS[each].at_answer
    }
    pyramid = encoded(chosen_encoder, padded[LUMA], encoder_weights, trained=train_encoder, seed=seed)
    parts = Parts(luma, extras, padded, pyramid, blocks, stride)
    answer = chosen_head.build(chosen_trunk.build(parts), parts)
    answer = CropLike(stride, name="output", dtype="float32")([answer, luma])
    contract = Contract((LUMA, *names), chosen_head.answer, stride, head, chosen_encoder.card.name)
    return ColorizationModel.of([luma, *extras.values()] if extras else luma, answer, name, contract)
