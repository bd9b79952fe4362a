"""Encoders of `keras.applications`, for who has their weights: `keras:NAME:LAYER,LAYER,…`.

`keras:MobileNetV2:block_1_expand_relu,block_3_expand_relu,block_6_expand_relu` gives the maps of those layers. Their
strides are found by asking the network.
"""

import inspect
from typing import Any

from zoo.errors import UsageError
from zoo.models.encoders import ENCODERS, Encoder, EncoderCard, Tap
from zoo.support.names import suggestion

APPLICATION = "keras:"
"""How the name of an encoder of `keras.applications` begins."""

PROBE = 256  # side of the image that strides are found with


def get_encoder(name: str) -> Encoder:
    """An encoder by name: a registered one, or one of `keras.applications`.

    Raises:
        UsageError: there is none.
    """
    if str(name).startswith(APPLICATION):
        return application_encoder(name)
    if name not in ENCODERS and "," in str(name):
        raise UsageError(f"encoder {name!r}: one of keras.applications is written {APPLICATION}NAME:LAYER,LAYER")
    return ENCODERS[name]


def application_encoder(name: str) -> Encoder:
    """The encoder of a name such as `keras:ResNet50:conv1_relu,conv2_block3_out`.

    Raises:
        UsageError: no such network or layer, or maps whose sizes are no powers of two of the image's.
    """
    network, _, layers = name.removeprefix(APPLICATION).partition(":")
    import keras

    known = [each for each in dir(keras.applications) if each[0].isupper()]
    if network not in known:
        raise UsageError(
            f"keras.applications has no {network!r}.{suggestion(network, known)} An encoder of it is written"
            f" {APPLICATION}NAME:LAYER,LAYER"
        )
    wanted = [each.strip() for each in layers.split(",") if each.strip()]
    if not wanted:
        raise UsageError(f"encoder {name!r}: say which layers' maps to take, as {APPLICATION}{network}:LAYER,LAYER")
    build = getattr(keras.applications, network)
    module = inspect.getmodule(build)
    assert module is not None
    body = _body(build, network, wanted)
    taps = _taps(name, body, wanted)
    card = EncoderCard(
        name=name,
        summary=f"{network} of keras.applications",
        taps=taps,
        preprocessing="luma three times, by the network's own preprocess_input",
        weights="your own: --encoder-weights FILE",
        digest="",
        licence="that of the weights",
        citation=f"keras.applications.{network}",
        parameters=body.count_params(),
    )

    def encoder(luma: Any, seed: int) -> tuple[Any, Any]:
        from zoo.models.layers import ApplicationInput

        keras.utils.set_random_seed(seed)
        image = ApplicationInput(module.__name__.rpartition(".")[2], name="preprocess")(luma)
        return image, _body(build, network, wanted, [tap.name for tap in taps])

    return Encoder(card, encoder)


def _body(build: Any, network: str, wanted: list[str], order: list[str] | None = None) -> Any:
    import keras

    try:
        whole = build(include_top=False, weights=None, input_shape=(None, None, 3))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{network} does not take images of any size: {error}") from None
    names = [layer.name for layer in whole.layers]
    for name in wanted:
        if name not in names:
            raise UsageError(f"{network} has no layer {name!r}.{suggestion(name, names)}")
    outputs = [whole.get_layer(name).output for name in order or wanted]
    return keras.Model(whole.inputs[0], outputs, name="encoder")


def _taps(name: str, body: Any, wanted: list[str]) -> tuple[Tap, ...]:
    shapes = body.compute_output_shape((1, PROBE, PROBE, 3))
    shapes = [shapes] if len(wanted) == 1 and not isinstance(shapes[0], (list, tuple)) else shapes
    taps = []
    for layer, (_, height, width, channels) in zip(wanted, shapes, strict=True):
        stride = PROBE // height
        if height != width or PROBE % height or stride & (stride - 1):
            raise UsageError(
                f"encoder {name!r}: the map of {layer} is {height} × {width} of an image of {PROBE}²; it has to be"
                ' smaller by a power of two, as maps of "same" padding are'
            )
        taps.append(Tap(layer, stride, channels))
    taps.sort(key=lambda tap: tap.stride)
    if len({tap.stride for tap in taps}) < len(taps):
        raise UsageError(f"encoder {name!r}: two of the layers have maps of one size; take one of each size")
    return tuple(taps)
