"""A Keras model zoo, with a benchmarking harness, for colourising black-and-white images.

>>> import zoo
>>> zoo.list_models()
['hypercolumn', 'residual', 'classifier', 'conditional']
>>> zoo.list_encoders()
['efficientnet_lite0', 'vgg16']
>>> model = zoo.create("residual")  # luma (B, H, W, 1) to UV (B, H, W, 2)
>>> zoo.Colorizer("conditional:comics")(page)  # luma (H, W) to RGB (H, W, 3)
>>> zoo.metrics.evaluate(predicted, truth)  # RGB to every metric
>>> pages = zoo.training_pairs("pages/", crop=128)  # luma and UV for `fit`

Importing this package does not import Keras or TensorFlow; building a model does. What `_ELSEWHERE` names is imported
when it is first asked for.
"""

from zoo.support import interrupts as _interrupts  # the first: a signal may come any time

# isort: split
import pkgutil
from typing import TYPE_CHECKING, Any

from zoo.models import catalogue as _catalogue  # registers the models
from zoo.models.encoders import list_encoders
from zoo.models.loading import create, load
from zoo.models.registry import ModelCard, get_card, list_models, register_model
from zoo.support.version import __version__

if TYPE_CHECKING:
    import zoo.metrics as metrics
    from zoo.data.dataset import open_dataset
    from zoo.data.pipeline import training_pairs
    from zoo.pages.colorizer import Colorizer

__all__ = [
    "Colorizer",
    "ModelCard",
    "__version__",
    "create",
    "get_card",
    "list_encoders",
    "list_models",
    "load",
    "metrics",
    "open_dataset",
    "register_model",
    "training_pairs",
]

del _catalogue, _interrupts

_ELSEWHERE = {
    "Colorizer": "zoo.pages.colorizer:Colorizer",
    "metrics": "zoo.metrics",
    "open_dataset": "zoo.data.dataset:open_dataset",
    "training_pairs": "zoo.data.pipeline:training_pairs",
}

if not TYPE_CHECKING:  # a type checker shall know a name that is not there

    def __getattr__(name: str) -> Any:
        """What is imported when it is first asked for (PEP 562)."""
        if name in _ELSEWHERE:
            return pkgutil.resolve_name(_ELSEWHERE[name])
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ELSEWHERE})
