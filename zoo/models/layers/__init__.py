"""The layers that Keras lacks, written with `keras.ops`, and their accelerated twins for TensorFlow.

Importing this package registers them, so that Keras can load a saved model.
"""

from zoo.models.layers.answers import ChromaRange, SplitChannels
from zoo.models.layers.attention import HintAttention, WithHints
from zoo.models.layers.chain_rule import VGivenU
from zoo.models.layers.factored import HypercolumnConv, SumConv
from zoo.models.layers.hue_chroma import HueChroma
from zoo.models.layers.joint_bins import JointBins
from zoo.models.layers.lab import LabHints, LabToUV, Lightness
from zoo.models.layers.normalization import GELU, FusedBatchNormalization, LayerScale, LeakyReLU, NormalizedConv2D
from zoo.models.layers.preprocessing import ApplicationInput, ScaledImage, VGGInput
from zoo.models.layers.queries import Queries, QueryAttention, QueryColors, SinePositions
from zoo.models.layers.sizes import (
    BilinearUpsampling,
    CropLike,
    PadToMultiple,
    RepeatPixels,
    ResizeTo,
    ShuffledUpsampling,
    SubpixelInitializer,
)

__all__ = [
    "GELU",
    "ApplicationInput",
    "BilinearUpsampling",
    "ChromaRange",
    "CropLike",
    "FusedBatchNormalization",
    "HintAttention",
    "HueChroma",
    "HypercolumnConv",
    "JointBins",
    "LabHints",
    "LabToUV",
    "LayerScale",
    "LeakyReLU",
    "Lightness",
    "NormalizedConv2D",
    "PadToMultiple",
    "Queries",
    "QueryAttention",
    "QueryColors",
    "RepeatPixels",
    "ResizeTo",
    "ScaledImage",
    "ShuffledUpsampling",
    "SinePositions",
    "SplitChannels",
    "SubpixelInitializer",
    "SumConv",
    "VGGInput",
    "VGivenU",
    "WithHints",
]
