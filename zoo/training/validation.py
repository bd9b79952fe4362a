"""Validation on fixed crops, with the baselines a colouriser has to beat beside it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from zoo.chroma.yuv import compose, split_luma, to_uint8
from zoo.data.pipeline import FixedCrop
from zoo.metrics import chroma, interval, lab, squared_error_ab
from zoo.metrics.bootstrap import number, scored
from zoo.models.contract import Contract
from zoo.models.prediction import Prediction, Predictor
from zoo.results import Way
from zoo.training.outcome import Difference, Scores, ValidationRow

PIXELS_A_BATCH = 8 * 128 * 128


class Validation:
    """Fixed crops and what does not change between validations: truth, baselines, class maps.

    Args:
        crops: of one size.
        mean_uv: the mean U and V of the training images, (2,).
    """

    def __init__(self, crops: Sequence[FixedCrop], mean_uv: np.ndarray) -> None:
        self.rgb = np.stack([crop.rgb for crop in crops])
        luma, uv = split_luma(self.rgb.astype(np.float32) / 255.0)
        self.luma, self.uv = luma.astype(np.float32), uv.astype(np.float32)
        self._lab = lab(self.rgb).astype(np.float32)
        self._masks = _control_masks(crops)
        self._pages = [crop.name for crop in crops]
        self._before: dict[str, dict[str, Any]] = {}
        flat = np.broadcast_to(mean_uv.astype(np.float32), self.uv.shape)
        self._grey = self._score(np.zeros_like(self.uv))
        self._mean = self._score(flat)
        self.baselines = (
            self._row(Way("grey image", "baseline"), self._grey),
            self._row(Way("mean colour", "baseline"), self._mean),
        )

    def run(self, step: int, predict: Predictor, loss: Any, label: str, *, before: bool = False) -> Scores:
        """Scores a model.

        Args:
            step: the training step, for the record.
            predict: the model.
            loss: of (uv, output).
            label: the registered model's name.
            before: later scores are compared with these.
        """
        count, size = self.rgb.shape[0], self.rgb.shape[1]
        batch = max(1, PIXELS_A_BATCH // size**2)
        losses: list[float] = []
        decoded: dict[str, list[np.ndarray]] = {}
        for start in range(0, count, batch):
            part = slice(start, start + batch)
            prediction = predict(self.luma[part], self._given(predict.contract, part))
            truth = predict.contract.reduced(self.uv[part])
            losses.append(float(loss(truth, prediction.given(self.uv[part]))) * len(self.luma[part]))
            for name, uv in decodings(prediction, predict.contract.classifies).items():
                decoded.setdefault(name, []).append(uv)
        total = sum(losses) / count
        found = {name: self._score(np.concatenate(parts)) for name, parts in decoded.items()}
        rows = [
            self._row(Way(label, "model", label, name or None), score, self._before.get(name))
            for name, score in found.items()
        ]
        if before:
            self._before = found
        return Scores(step, count, total, self.baselines, tuple(rows), len(set(self._pages)))

    def _given(self, contract: Contract, part: slice) -> dict[str, np.ndarray]:
        """What a user might give of some crops, the same at every validation."""
        seed = ops.convert_to_tensor([0, part.start], dtype="int32")
        small = ops.convert_to_tensor(contract.reduced(self.uv[part]))
        luma, full = ops.convert_to_tensor(self.luma[part]), ops.convert_to_tensor(self.uv[part])
        return {
            item.name: ops.convert_to_numpy(item.from_truth(luma, small if item.at_answer else full, seed))
            for item in contract.given
        }

    def _score(self, uv: np.ndarray) -> dict[str, Any]:
        error_by_image, total_chroma = [], []
        by_class: dict[str, list[float]] = {name: [0.0, 0.0] for name in self._masks}
        for index in range(len(uv)):
            predicted = lab(to_uint8(compose(self.luma[index], uv[index])[0]))
            error = squared_error_ab(predicted, self._lab[index])
            error_by_image.append(float(error.mean()))
            total_chroma.append(float(chroma(predicted).sum()))
            for name, masks in self._masks.items():
                by_class[name][0] += float(error[masks[index]].sum())
                by_class[name][1] += float(masks[index].sum())
        return {
            "mse": np.array(error_by_image),
            "chroma": np.array(total_chroma),
            "controls": {name: float(np.sqrt(total / n)) for name, (total, n) in by_class.items() if n},
        }

    def _row(self, way: Way, score: dict[str, Any], before: dict[str, Any] | None = None) -> ValidationRow:
        true_chroma = chroma(self._lab).sum(axis=(1, 2))
        crops = range(len(true_chroma))

        def rmse(weights: np.ndarray) -> np.ndarray:
            return np.sqrt(weights @ score["mse"] / weights.sum(axis=-1))

        def ratio(weights: np.ndarray) -> np.ndarray:
            with np.errstate(divide="ignore", invalid="ignore"):
                return (weights @ score["chroma"]) / (weights @ true_chroma)

        coloured = true_chroma.sum() > 0
        then = None
        if before:
            then = {
                "rmse_ab": number(np.sqrt(before["mse"].mean())),
                "chroma_ratio": number(before["chroma"].sum() / true_chroma.sum()) if coloured else None,
                "difference": list(_difference(score["mse"], before["mse"], self._pages)),
            }
        return ValidationRow(
            way=way,
            found={"rmse_ab": scored(rmse, crops)} | ({"chroma_ratio": scored(ratio, crops)} if coloured else {}),
            against_grey=_difference(score["mse"], self._grey["mse"]),
            against_mean=_difference(score["mse"], self._mean["mse"]),
            controls=score["controls"],
            before=then,
        )


def _difference(mse: np.ndarray, base: np.ndarray, groups: Sequence[object] | None = None) -> Difference:
    """RMSE less that of the base, from the mean squared errors of the crops, with its interval over crops or groups."""

    def statistic(weights: np.ndarray) -> np.ndarray:
        total = weights.sum(axis=-1)
        return np.sqrt(weights @ mse / total) - np.sqrt(weights @ base / total)

    value, low, high = interval(statistic, groups or range(len(mse)))
    return value, low if np.isfinite(low) else None, high if np.isfinite(high) else None


def decodings(prediction: Prediction, classifies: bool) -> dict[str, np.ndarray]:
    """UV by decoder: a regression's as it is, under ""; a classifier's by every decoder, mean first."""
    if not classifies:
        return {"": prediction.decode()}
    return {name: prediction.decode(name) for name in ("mean", "median", "annealed", "mode", "sample")}


def mean_chroma(crops: Sequence[FixedCrop]) -> np.ndarray:
    """The mean U and V (2,) of some crops."""
    return np.mean([split_luma(crop.rgb / 255.0)[1].mean(axis=(0, 1)) for crop in crops], axis=0)


def _control_masks(crops: Sequence[FixedCrop]) -> dict[str, np.ndarray]:
    if any(crop.maps is None for crop in crops):
        return {}
    from zoo.data.drawn.procedural import CLASSES

    labels = np.stack([crop.maps[0] for crop in crops if crop.maps is not None])
    return {c.name: labels == c.label for c in CLASSES if not c.ambiguous and (labels == c.label).any()}
