"""The models of the zoo: functional Keras models that carry their contract, and take luma alone."""

from typing import Any

import keras
from keras import ops

import zoo.models.layers  # noqa: F401  (registers them)
from zoo.models.contract import Contract, contract_of
from zoo.models.layers.sizes import PadToMultiple
from zoo.models.layers.switch import register


@register
class ColorizationModel(keras.Model):
    """A functional model with its `Contract`.

    It is called with luma (B, H, W, 1), or with a list of luma and the other inputs that its contract names. Of luma
    alone, an input that a user may give counts as not given, and one that the model chooses is chosen: the answer of a
    model that predicts V given U is then that for its most probable U. `fit` takes luma and the true UV likewise.

    Attributes:
        contract: what it takes and answers with.
    """

    contract = Contract()

    def __init__(self, inputs: Any, outputs: Any, name: str | None = None, **kwargs: Any) -> None:
        super().__init__(inputs=inputs, outputs=outputs, name=name, **kwargs)
        if len(self.inputs) > 1:
            self.input_spec = None  # luma alone is allowed

    @classmethod
    def of(cls, inputs: Any, outputs: Any, name: str, contract: Contract) -> "ColorizationModel":
        """A model of these tensors with this contract."""
        model = cls(inputs, outputs, name=name)
        model.contract = contract
        return model

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return super().call(self._completed(inputs), training=training, mask=mask)

    def _completed(self, inputs: Any) -> Any:
        """The inputs as a list in their order; those that are missing as the contract says."""
        if len(self.contract.inputs) == 1:
            return inputs
        if isinstance(inputs, (list, tuple)):
            if len(inputs) == len(self.contract.inputs):
                return list(inputs)
            luma = inputs[0]
        else:
            luma = inputs
        luma = ops.convert_to_tensor(luma)
        values = []
        for item in self.contract.extras:
            like = self.contract.at_size(item, luma)
            zeros = ops.repeat(ops.zeros_like(like), item.channels, axis=-1)
            values.append(item.absent(like) if item.absent else zeros)
        if self.contract.chooses:
            answer = super().call([luma, *values], training=False)
            values = [
                item.choose(answer) if item.choose else value
                for item, value in zip(self.contract.extras, values, strict=True)
            ]
        return [luma, *values]

    def train_step(self, *state_and_data: Any) -> Any:
        *state, data = state_and_data
        return super().train_step(*state, self._with_truth(data))

    def test_step(self, *state_and_data: Any) -> Any:
        *state, data = state_and_data
        return super().test_step(*state, self._with_truth(data))

    def _with_truth(self, data: Any) -> Any:
        """A batch of `fit` or `evaluate`: further inputs are made of the truth, brought to the answer's size."""
        x, uv, weight = keras.utils.unpack_x_y_sample_weight(data)
        if uv is None:
            return data
        if not isinstance(x, (list, tuple, dict)):
            step = getattr(self.optimizer, "iterations", 0)
            x = self.contract.with_truth(x, uv, ops.stack([ops.cast(0, "int32"), ops.cast(step, "int32")]))
        return keras.utils.pack_x_y_sample_weight(x, self.contract.reduced(uv), weight)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"contract": self.contract.as_json()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ColorizationModel":
        config = dict(config)
        contract = config.pop("contract", None)
        model = super().from_config(config, custom_objects=custom_objects)
        if contract is not None:
            model.contract = Contract.from_json(contract)
        return model


def call(model: keras.Model, contract: Contract, inputs: Any, *, training: bool) -> Any:
    """A model's answer for tensors of any size: one of one's own is called with a size that it takes, and cut back.

    Args:
        model: what is called.
        contract: of the model.
        inputs: luma (B, H, W, 1), or a list of all inputs.
        training: as Keras has it.
    """
    if contract.multiple == 1:
        return model(inputs, training=training)
    every = inputs if isinstance(inputs, list) else [inputs]
    height, width = (-(-size // contract.stride) for size in ops.shape(every[0])[1:3])
    padded = [PadToMultiple(contract.multiple)(each) for each in every]
    answer = model(padded if len(padded) > 1 else padded[0], training=training)
    return answer[:, :height, :width]


def with_contract(model: keras.Model) -> keras.Model:
    """A model that was loaded: one of the zoo that is older than contracts as a `ColorizationModel`, others as is."""
    if isinstance(model, ColorizationModel) or not contract_of(model).head:
        return model
    return ColorizationModel.of(model.inputs, model.outputs[0], model.name, contract_of(model))
