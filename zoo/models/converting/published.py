"""From a state dict that a paper's authors published to a model of the zoo, every tensor of it accounted for."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zoo.chroma.lab_bins import AB_CENTERS
from zoo.errors import UsageError
from zoo.models.converting.dual_decoders import size_of, sources_of_dual_decoders
from zoo.models.converting.sources import sources_of_modules
from zoo.models.converting.state_dicts import StoredTensor, file_bytes, read_state
from zoo.models.field import ddcolor, eccv16, siggraph17
from zoo.models.field.stages import Published
from zoo.models.registry import build

PUBLISHED = {"eccv16": eccv16.PUBLISHED, "siggraph17": siggraph17.PUBLISHED, "ddcolor": ddcolor.PUBLISHED}
"""What can be converted, by the name of the model."""

DIGEST = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""How PyTorch's hub writes the beginning of a SHA-256 into a file's name."""

NEAR = 0.1  # of a* and b*: float16 has 0.06 at 110
NEAR_CONSTANT = 1e-3  # of a constant: float16 has that
NAMED = 3  # of many tensors that are wrong

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
    def genuine(self) -> bool | None:
        """Whether the file is the one that the authors published, by the beginning of its digest; None if unknown."""
        digest = _digest_in(self.published.file)
        return self.digest.startswith(digest) if digest else None


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


def convert(weights: Weights, *, any_centers: bool = False, **options: Any) -> Any:
    """The model with these weights.

    Args:
        weights: what was read.
        any_centers: take weights whose bins are none of ours, as random ones are.
        **options: of the model; without any, it is as published, in the size that the weights have.

    Raises:
        UsageError: a tensor is missing, is one too many, has another shape or holds what is no number, or the bins or
            other constants differ.
    """
    published, tensors = weights.published, weights.tensors
    if published.layers:
        model = build(weights.model, **options)
        sources = sources_of_modules(model, published)
    else:
        model = build(weights.model, **({"size": size_of(tensors)} | options))
        sources = sources_of_dual_decoders(model)
    shapes: dict[str, tuple[int | None, ...]] = {}
    for _, source in sources:
        shapes |= source.shapes
    shapes |= published.left_out
    if published.centers:
        shapes[published.centers] = (2, len(AB_CENTERS), 1, 1)
    shapes |= {name: (1, len(values), 1, 1) for name, values in published.constants.items()}
    optional: dict[str, tuple[int | None, ...]] = dict(published.optional)
    optional |= {f"{name.removesuffix('running_var')}{_COUNT}": () for name in shapes if name.endswith("running_var")}
    problems = [f"{name} is missing" for name in shapes if name not in tensors]
    for name, tensor in tensors.items():
        wanted = shapes.get(name, optional.get(name))
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
    for name, numbers in published.constants.items():
        if not np.allclose(tensors[name].array().reshape(-1), numbers, rtol=NEAR_CONSTANT):
            _refuse(weights, [f"{name} holds other numbers than {', '.join(map(str, numbers))}"])
    for variable, source in sources:
        arrays = [tensors[name].array() for name in source.shapes]
        values = source.make(*arrays)
        if not all(np.isfinite(each).all() for each in (*arrays, values)):
            _refuse(weights, [f"{' or '.join(source.shapes)} holds values that are not finite"])
        variable.assign(values)
    if published.side:
        model.contract = replace(model.contract, side=published.side)
    return model


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
