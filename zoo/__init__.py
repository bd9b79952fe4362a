"""A Keras model zoo, with a benchmarking harness, for colourising black-and-white images.

>>> import zoo
>>> zoo.list_models()
['hypercolumn', 'residual', 'classifier', 'conditional']
>>> model = zoo.create("residual")  # luma (B, H, W, 1) to UV (B, H, W, 2)

Importing this package does not import Keras or TensorFlow; building a model does.
"""

from zoo import catalogue as _catalogue  # registers the models
from zoo.registry import ModelCard, create, get_card, list_models, load, register_model

__version__ = "0.1.0"

__all__ = ["ModelCard", "create", "get_card", "list_models", "load", "register_model"]

del _catalogue
