"""A Keras model zoo, with a benchmarking harness, for colourising black-and-white images.

>>> import zoo
>>> zoo.list_models()
['hypercolumn', 'residual', 'classifier', 'conditional']
>>> model = zoo.create("residual")  # luma (B, H, W, 1) to UV (B, H, W, 2)

Importing this package does not import Keras or TensorFlow; building a model does. It has TensorFlow use oneDNN on every
x86 processor, which TensorFlow does by itself only where there is AVX-512 (set TF_ENABLE_ONEDNN_OPTS=0 to have none).
"""

import os
import platform

if platform.machine() in ("x86_64", "AMD64"):
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # read when TensorFlow is imported

from zoo import catalogue as _catalogue  # registers the models
from zoo.registry import ModelCard, create, get_card, list_models, load, register_model

__version__ = "0.1.0"

__all__ = ["ModelCard", "create", "get_card", "list_models", "load", "register_model"]

del _catalogue, os, platform
