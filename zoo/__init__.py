"""A Keras model zoo, with a benchmarking harness, for colourising black-and-white images.

>>> import zoo
>>> zoo.list_models()
['hypercolumn', 'residual', 'classifier', 'conditional']
>>> zoo.list_encoders()
['efficientnet_lite0', 'vgg16']
>>> model = zoo.create("residual")  # luma (B, H, W, 1) to UV (B, H, W, 2)

Importing this package does not import Keras or TensorFlow; building a model does.
"""

from zoo.models import catalogue as _catalogue  # registers the models
from zoo.models.encoders import list_encoders
from zoo.models.loading import create, load
from zoo.models.registry import ModelCard, get_card, list_models, register_model
from zoo.support.version import __version__

__all__ = [
    "ModelCard",
    "__version__",
    "create",
    "get_card",
    "list_encoders",
    "list_models",
    "load",
    "register_model",
]

del _catalogue
