"""What is checked of a model before it is trained."""

import keras
from keras import ops

from zoo.chroma.bins import BINS
from zoo.errors import UsageError
from zoo.models.contract import Contract, contract_of
from zoo.models.loading import create
from zoo.models.model import call
from zoo.support.names import first_line
from zoo.training.config import RunConfig
from zoo.training.losses import get_loss


def check_answer(model: keras.Model, contract: Contract, crop: int) -> None:
    """Raises UsageError if the model does not answer luma of a crop's size as its contract says."""
    side = -(-crop // contract.stride)
    wanted = (1, side, side, 2) if contract.answer == "uv" else (1, side, side, 2, BINS)
    inputs = [ops.zeros((1, crop, crop, 1)), *(ops.zeros((1, crop, crop, item.channels)) for item in contract.given)]
    if contract.chooses:
        return  # a head of the zoo's, which is tested
    try:
        shape = tuple(call(model, contract, inputs if len(inputs) > 1 else inputs[0], training=False).shape)
    except Exception as error:  # of whatever a model of one's own is made of
        reason = first_line(error)
        raise UsageError(f"the model cannot be called with luma (1, {crop}, {crop}, 1): {reason}") from error
    if shape != wanted:
        raise UsageError(
            f"the model answers luma (1, {crop}, {crop}, 1) with {shape}, where {wanted} is expected: it has to answer"
            " for every pixel, with U and V or with logits of their bins"
        )


def check_model(config: RunConfig) -> None:
    """Raises UsageError if the model does not take its options, or the loss does not fit what it answers with."""
    if config.start:
        return  # which has decided on options and loss
    model = create(config.model, encoder_weights="none", **(config.model_options or {}))
    get_loss(config.loss, contract_of(model).answer)
