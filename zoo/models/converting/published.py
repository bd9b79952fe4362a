"""From a state dict that a paper's authors published to a model of the zoo, every tensor of it accounted for."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.lab_bins import AB_CENTERS
from zoo.errors import UsageError
from zoo.models.converting.state_dicts import StoredTensor, file_bytes, read_state
from zoo.models.field import eccv16, siggraph17
from zoo.models.field.stages import Published
from zoo.models.registry import build

PUBLISHED = {"eccv16": eccv16.PUBLISHED, "siggraph17": siggraph17.PUBLISHED}
"""What can be converted, by the name of the model."""

DIGEST = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""How PyTorch's hub writes the beginning of a SHA-256 into a file's name."""

NEAR = 0.1  # of a* and b*: float16 has 0.06 at 110
NAMED = 3  # of many tensors that are wrong

_CONVOLUTION = ("weight", "bias")
_NORMALIZATION = ("weight", "bias", "running_mean", "running_var")
_COUNT = "num_batches_tracked"  # of batch normalisation, which nothing here makes use of


@dataclass(frozen=True)
class Weights:
    """A file of weights for a model.

    Attributes:
        model: its name.
        path: of the file.
        digest: SHA-256 (hex) of it.
        tensors: by name.
    """

    model: str
    path: Path
    digest: str
    tensors: dict[str, StoredTensor]

    @property
    def published(self) -> Published:
        """What is known of the model's published weights."""
        return PUBLISHED[self.model]

    @property
    def genuine(self) -> bool:
        """Whether the file is the one that the authors published, by the beginning of its digest."""
        return self.digest.startswith(_digest_in(self.published.file))


def read_weights(model: str, path: Path) -> Weights:
    """Reads a file of weights, as data.

    Args:
        model: of `PUBLISHED`.
        path: a file of `torch.save(state_dict, …)`, new or old, or a `.safetensors` file.

    Raises:
        UsageError: it is none, it is damaged, or it is not what its name says.
    """
    data = file_bytes(path)
    digest, said = hashlib.sha256(data).hexdigest(), _digest_in(path.name)
    if not digest.startswith(said):
        raise UsageError(
            f"{path} is damaged, or another file: its SHA-256 begins with {digest[: len(said)]}, not with {said} as its"
            " name says. Download it again"
        )
    return Weights(model, path, digest, read_state(data, path))


def _digest_in(name: str) -> str:
    found = DIGEST.search(name)
    return found[1] if found else ""


def convert(weights: Weights, *, width: float = 1.0, any_centers: bool = False) -> Any:
    """The model with these weights.

    Args:
        weights: what was read.
        width: of the model; published weights are of width 1.
        any_centers: take weights whose bins are none of ours, as random ones are.

    Raises:
        UsageError: a tensor is missing, is one too many, has another shape or holds what is no number, or the bins are
            others.
    """
    model = build(weights.model, width=width)
    published, tensors = weights.published, weights.tensors
    variables = _variables(model, published)
    shapes: dict[str, tuple[int | None, ...]] = {
        name: _theirs(tuple(variable.shape)) for name, variable in variables.items()
    }
    shapes |= published.left_out
    if published.centers:
        shapes[published.centers] = (2, len(AB_CENTERS), 1, 1)
    counts = {f"{name.removesuffix('running_var')}{_COUNT}": () for name in variables if name.endswith("running_var")}
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    for name, tensor in tensors.items():
        wanted = shapes.get(name, counts.get(name))
        if wanted is None:
            problems.append(f"{name} is one too many")
        elif not _fits(tensor.shape, wanted):
            problems.append(f"{name} has the shape {tensor.shape}, where {_text(wanted)} belongs")
    _refuse(weights, problems)
    if published.centers and not any_centers:
        found = tensors[published.centers].array()[:, :, 0, 0].T * 110
        if not np.abs(found - AB_CENTERS).max() < NEAR:
            _refuse(
                weights,
                [f"{published.centers} holds other colours than the centres of the 313 bins, or in another order"],
            )
    for name, variable in variables.items():
        values = tensors[name].array()
        if not np.isfinite(values).all():
            _refuse(weights, [f"{name} holds values that are not finite"])
        variable.assign(values.transpose(2, 3, 1, 0) if values.ndim == 4 else values)
    return model


def _variables(model: Any, published: Published) -> dict[str, Any]:
    """The variables of a model, by the name of the tensor that is theirs."""
    found: dict[str, Any] = {}
    for name, module in published.layers.items():
        held = model.get_layer(name).weights
        parts = _NORMALIZATION if len(held) == len(_NORMALIZATION) else _CONVOLUTION
        found |= {f"{module}.{part}": variable for part, variable in zip(parts, held, strict=True)}
    return found


def _theirs(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A variable's shape as PyTorch has it: of kernels (out, in, h, w), of transposed convolutions (in, out, h, w)."""
    return tuple(shape[axis] for axis in (3, 2, 0, 1)) if len(shape) == 4 else shape


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(b in (None, a) for a, b in zip(shape, wanted, strict=True))


def _text(shape: Iterable[int | None]) -> str:
    return f"({', '.join('any' if each is None else str(each) for each in shape)})"


def _refuse(weights: Weights, problems: list[str]) -> None:
    """Raises UsageError if there are problems, and names some."""
    if problems:
        more = f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else ""
        raise UsageError(
            f"{weights.path} does not hold the weights of {weights.model}: {'; '.join(problems[:NAMED])}{more}"
        )
