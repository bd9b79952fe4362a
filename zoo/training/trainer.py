"""The training loop: one for every model, loss and number of devices."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from zoo.chroma.yuv import split_luma
from zoo.data.dataset import Dataset
from zoo.data.decode import decode_rgb
from zoo.data.pipeline import (
    VIEW_PARTS,
    FixedCrop,
    Share,
    batch_indices,
    crop_batches,
    fixed_crops,
    iterate,
    read_unchanged,
    repeat_batches,
)
from zoo.errors import RunError, StallError, UsageError
from zoo.models.contract import Contract, contract_of
from zoo.models.layers import FusedBatchNormalization
from zoo.models.loading import create, load
from zoo.models.prediction import Predictor
from zoo.models.registry import get_card
from zoo.support import machine
from zoo.support.console import TrainingProgress, say
from zoo.training.added import ADDED, AddedLosses
from zoo.training.augment import augmentation
from zoo.training.backends import refuse_on_jax
from zoo.training.checks import check_answer
from zoo.training.config import RunConfig
from zoo.training.devices import Devices
from zoo.training.guards import Fetcher, Stop, check_losses
from zoo.training.jax_devices import JaxDevices
from zoo.training.losses import chroma_prior, cross_entropy, get_loss, rebalancing_weights
from zoo.training.optimizers import averaged, make_optimizer
from zoo.training.outcome import Scores, error_of
from zoo.training.rundir import RunDirectory
from zoo.training.start import read_start
from zoo.training.step import build_step, smaller_micro_batch
from zoo.training.summary import below_each_other, save_png, summary_image
from zoo.training.trackers import Trackers
from zoo.training.validation import Validation, mean_chroma

CHECK_EVERY = 10  # steps between looks at the loss: each look waits for the device
SUMMARY_CROPS = 8
COMPARED_PAGES, COMPARED_SIDE = 6, 384
MEAN_COLOR_CROPS, PRIOR_CROPS = 64, 256
# Offsets that keep the crops of training, validation, the mean colour and the prior apart under one seed.
VALIDATION_SEED, MEAN_COLOR_SEED, OVERFIT_SEED, PRIOR_SEED = 1_000_003, 2_000_003, 3_000_017, 4_000_037


class _OutOfMemoryError(Exception):
    """A step did not fit; the weights may be half-updated."""


class Trainer:
    """One run: builds the model, trains it, and keeps its directory.

    Args:
        config: what to compute.
        dataset: where the crops come from.
        run: where the results go. Only the chief of several workers touches it.
        console: where messages go.
        devices: what to compute on.
        cache: `memory` or `disk` keeps decoded images: see `zoo.data.cache`. It changes no result.

    Raises:
        UsageError: a setting that does not fit the model or the devices, or encoder weights that cannot be had.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        run: RunDirectory,
        console: Any,
        devices: Devices,
        *,
        cache: str | None = None,
    ) -> None:
        self.config, self.dataset, self.run_dir, self._console = config, dataset, run, console
        self.devices = devices
        self.precision = machine.resolve_precision(config.precision)
        self._cache = cache
        self._share = devices.per_replica(config.batch_size)  # crops of a batch that a device has
        self._micro_batch = config.micro_batch or self._share
        if self._share % self._micro_batch:
            raise UsageError(
                f"--micro-batch {self._micro_batch} does not divide the {self._share} crops that a device has of a"
                " batch"
            )
        with devices.strategy.scope():
            self.model = self._build_model()
            if config.model_options is None:
                self.precision = self._precision_of_file()
                if self.precision == "float16" and isinstance(devices, JaxDevices):
                    refuse_on_jax([f"--from {config.start}, which computes in float16"])
            self.optimizer = make_optimizer(config, self.precision)
            self.optimizer.build(self.model.trainable_variables)
        self._predictor = Predictor(self.model)
        check_answer(self.model, self._predictor.contract, config.crop)
        weights = {name: getattr(config, name) for name in ADDED}
        self.added: AddedLosses | None = None
        if any(weights.values()):
            with devices.strategy.scope(), machine.policy(self.precision):
                about: dict[str, Any] = {"crop": config.crop, "seed": config.seed, "precision": self.precision}
                self.added = AddedLosses(weights, self.contract, **about)
        self._loss = get_loss(config.loss, self._predictor.contract.answer)
        if config.rebalance:
            self._loss = self._rebalanced()
        self._best, self._untrained = math.inf, math.nan
        self._unrecorded: list[list[float]] = []  # losses of the last steps before the one to begin after
        self._run = ""
        self._trackers = Trackers()
        self._stop = Stop()

    @property
    def contract(self) -> Contract:
        """What the model takes and answers with."""
        return self._predictor.contract

    def _build_model(self) -> keras.Model:
        # Or the model's file says it.
        with machine.policy(self.precision) if self.config.model_options is not None else nullcontext():
            model = self._model_begun() if self.config.start else self._model_anew()
        # The smallest views are of half of a picture's shorter side.
        side = round(self.config.crop / VIEW_PARTS[0]) if self.config.views else 0
        if contract_of(model).side != side:
            model.contract = replace(contract_of(model), side=side)
        for layer in model.layers:
            if isinstance(layer, FusedBatchNormalization):
                layer.synchronized = self.config.batch_norm == "sync"
        return model

    def _model_anew(self) -> keras.Model:
        config = self.config
        return create(
            config.model,
            # A checkpoint holds the encoder too.
            encoder_weights="none" if self.run_dir.checkpoints.steps() else config.encoder_weights,
            train_encoder=config.train_encoder,
            seed=config.seed,
            **({"encoder": config.encoder} if config.encoder != get_card(config.model).encoder else {}),
            **(config.model_options or {}),
        )

    def _model_begun(self) -> keras.Model:
        config = self.config
        return read_start(config.start, config.model).build(train_encoder=config.train_encoder, seed=config.seed)

    def _precision_of_file(self) -> str:
        """The precision that the model's own file has it compute in."""
        dtypes = {layer.compute_dtype for layer in self.model.layers}
        found = next((each for each in ("bfloat16", "float16") if each in dtypes), "float32")
        if self.config.precision not in ("auto", found):
            raise UsageError(
                f"--precision {self.config.precision}: {self.config.start} computes in {found}, and a .keras file keeps"
                " its precision: leave --precision out"
            )
        return found

    def train(self, open_trackers: Callable[[], Trackers] = Trackers) -> Scores | None:
        """Trains to the last step, from the newest checkpoint if there is one.

        Args:
            open_trackers: called once metrics.jsonl is rewound to where training begins. They change no result.

        Returns:
            The scores of the best model, `best.keras`; None in a worker that is not the chief.

        Raises:
            InterruptError: Ctrl-C or SIGTERM; the run is saved.
            RunError: training diverged or does not fit into memory, the loader has stalled, or another worker is gone.
            OSError: a file could not be written.
        """
        with self._stop.listening():
            while True:
                start = self._start()
                try:
                    with open_trackers() as self._trackers:
                        return self._train(start)
                except _OutOfMemoryError:
                    self._shrink()
                except tf.errors.OpError as error:
                    if self.devices.workers == 1:
                        raise
                    raise RunError(
                        f"worker {self.devices.worker} of {self.devices.workers} has lost another one"
                        f" ({type(error).__name__}): give the same command again on every machine to go"
                        " on from the last checkpoint"
                    ) from error

    def _start(self) -> int:
        """The step to begin after, with the weights of then in every worker."""
        start, self._unrecorded = 0, []
        if self.devices.chief:
            self._run = self.run_dir.digest()
        if self.devices.chief and self.run_dir.checkpoints.steps():
            state = self.run_dir.checkpoints.load(self._variables(), self._say, self._run)
            start, most = state["step"], min(self._micro_batch, state["micro_batch"] or self._micro_batch)
            # That of other devices, with other shares of a batch, may not divide this one's.
            self._micro_batch = next(part for part in range(most, 0, -1) if self._share % part == 0)
            self._unrecorded = state.get("losses", [])
        start, self._micro_batch = (
            int(value[0]) for value in self.devices.from_chief([np.array([start]), np.array([self._micro_batch])])
        )
        if self.devices.workers > 1:
            sent = self.devices.from_chief([np.asarray(variable) for variable in self._variables()])
            for variable, value in zip(self._variables(), sent, strict=True):
                variable.assign(value)
        if self.devices.chief:
            kept = self.run_dir.rewind(start)
            self._best = min(self._errors().values(), default=math.inf)
            self._untrained = next((r["validation"]["loss"] for r in kept if r["step"] == 0), math.nan)
        if start:
            rate = float(np.asarray(self.optimizer.learning_rate))
            self._say(f"going on from step {start} in {self.run_dir.path}, at a learning rate of {rate:.3g}")
        return start

    def _train(self, start: int) -> Scores | None:
        config = self.config
        validation = self._validation() if self.devices.chief else None
        scores: Scores | None = None
        if validation:
            if not self.run_dir.checkpoints.steps():
                self._save(0, [])
            recorded = any(r["step"] == start and "validation" in r for r in self.run_dir.records())
            if not recorded and (start == config.steps or start % config.validate_every == 0):
                self._say(f"scoring the model as it is {f'at step {start}' if start else 'before the first step'}")
                scores = self._validate(start, validation)
        (self._untrained,) = map(float, self.devices.from_chief([np.float32(self._untrained)]))
        step_function = self._step()
        fetcher = Fetcher(self._batches(start), start, self._image_names, self._say)
        losses: list[Any] = [*self._unrecorded]
        step, ended = start, self._patience_is_over()
        try:
            with TrainingProgress(config.steps, start, config.batch_size, self._console) as progress:
                while step < config.steps and not ended:
                    with self._stop.deferred():
                        batch = fetcher.next()
                        try:
                            losses.append(step_function(batch))
                        except tf.errors.ResourceExhaustedError as error:
                            raise _OutOfMemoryError from error
                        step += 1
                        due = step == config.steps or step % config.validate_every == 0
                        saving = due or step % config.checkpoint_every == 0
                        if step % CHECK_EVERY == 0 or saving:
                            self._record(step, losses, progress)
                            losses.clear()
                        # Asked once a step: a signal that comes after this line is for the next step, which saves.
                        stopping = self._stop_now(step)
                        if saving or stopping:
                            self._save(step, losses)
                    if stopping:
                        raise self._stop.error(
                            f"stopped at step {step} of {config.steps}, saved in {self.run_dir.path}"
                        )
                    if due and self.devices.workers == 1:
                        self._stop.check()  # a validation comes before the next step, or there is none
                    if due and validation:
                        began = time.monotonic()
                        scores = self._validate(step, validation)
                        progress.say(validation_line(scores))
                        progress.pause(time.monotonic() - began)
                    ended = due and self._patience_is_over()
        except StallError:
            self._save(step, losses)
            raise
        finally:
            fetcher.close()
        if ended and self.devices.chief and step < config.steps:
            self._say(
                f"ended at step {step} of {config.steps}: {config.patience} validations brought no nearer colours; with"
                " a larger --patience the same command goes on"
            )
        return self._score_best(scores, validation) if validation else None

    def _step(self) -> Callable[[Any], Any]:
        what = (self.model, self.optimizer, self._loss)
        how: dict[str, Any] = {"augment": augmentation(self.config), "seed": self.config.seed}
        if isinstance(self.devices, JaxDevices):
            from zoo.training import jax_step

            return jax_step.build_step(*what, devices=self.devices, **how)
        micro_batch = self._micro_batch if self._micro_batch < self._share else None
        with self.devices.strategy.scope():
            return build_step(*what, micro_batch=micro_batch, added=self.added, **how)

    def _errors(self) -> dict[int, float]:
        """The validations' errors by step; that of the beginning counts if the run began from weights."""
        found = [record for record in self.run_dir.records() if "validation" in record]
        return {each["step"]: error_of(each["validation"]) for each in found if each["step"] or self.config.start}

    def _patience_is_over(self) -> bool:
        """Whether the last validations brought no nearer colours, in every worker."""
        if not self.config.patience:
            return False
        over = False
        if self.devices.chief:
            errors = list(self._errors().values())
            over = bool(errors) and len(errors) - 1 - int(np.argmin(errors)) >= self.config.patience
        return bool(self.devices.from_chief([np.array([over], np.int32)])[0][0])

    def _stop_now(self, step: int) -> bool:
        if self.devices.workers == 1:
            return self._stop.asked
        # Asking the other workers takes a message to each.
        if step % CHECK_EVERY or not self.devices.any(self._stop.asked):
            return False
        self._stop.ask()
        return True

    def _check(self, step: int, losses: list[Any]) -> np.ndarray:
        """The losses of the last steps, (n, 1 and the added ones); raises RunError if training diverged."""
        values = np.array([np.ravel(value) for value in losses], np.float64)
        saved = self.run_dir.checkpoints.steps()
        kept = (
            f"the checkpoint of step {saved[0]} is intact in {self.run_dir.path}" if saved else "nothing was saved yet"
        )
        if losses:
            main = np.where(np.isfinite(values).all(axis=1), values[:, 0], np.nan)
            check_losses(main, step, self._untrained, self._image_names, kept)
        return values

    def _record(self, step: int, losses: list[Any], progress: TrainingProgress) -> None:
        """Records the mean losses of the last steps."""
        loss, *parts = map(float, self._check(step, losses).mean(axis=0))
        progress.update(step, loss)
        self._log(
            step=step,
            loss=loss,
            **dict(zip(self.added.names if self.added else (), parts, strict=True)),
            images_per_second=progress.images_per_second(step),
            learning_rate=float(np.asarray(self.optimizer.learning_rate)),  # of the step that comes next
        )

    def _save(self, step: int, losses: list[Any]) -> None:
        """Saves the run as it is after a step, with losses that are not recorded yet."""
        unrecorded = self._check(step, losses).tolist()
        if self.devices.chief:
            self.run_dir.checkpoints.save(
                self._variables(),
                {
                    "run": self._run,
                    "step": step,
                    "examples": step * self.config.batch_size,
                    "micro_batch": self._micro_batch if self._micro_batch < self._share else 0,
                    "losses": unrecorded,
                },
            )

    def _shrink(self) -> None:
        smaller = smaller_micro_batch(self._micro_batch)
        if smaller is None or self.devices.workers > 1:
            advice = "--crop or another model" if smaller is None else f"--micro-batch {smaller} for all workers"
            raise RunError(
                f"a step of {self._micro_batch} crops of {self.config.crop}² on each device is out of memory: try a"
                f" smaller {advice}. The last checkpoint is intact in {self.run_dir.path}."
            )
        self._say(
            f"out of memory: computing {smaller} crops at a time instead of {self._micro_batch}, and adding their"
            f" gradients up to batches of {self.config.batch_size} as before; batch normalisation sees {smaller} at a"
            " time"
        )
        self._micro_batch = smaller

    def _image_names(self, step: int) -> list[str]:
        """The images of the batch of a step, counted from 0."""
        config = self.config
        if config.overfit:
            names = [crop.name for crop in self._fixed_training_crops()]
        else:
            names = [image.name for image in self.dataset.splits["train"].images]
        return [names[i] for i in batch_indices(step, count=len(names), batch_size=config.batch_size, seed=config.seed)]

    def _rebalanced(self) -> Callable[[Any, Any], Any]:
        config = self.config
        crops = self._fixed("train", PRIOR_CROPS, PRIOR_SEED)
        prior = chroma_prior(np.stack([split_luma(crop.rgb / 255.0)[1] for crop in crops]))
        return partial(cross_entropy, weights=rebalancing_weights(prior, config.rebalance))

    def _fixed_training_crops(self) -> list[FixedCrop]:
        return self._fixed("train", self.config.overfit, OVERFIT_SEED)

    def _fixed(self, split: str, count: int, seed: int) -> list[FixedCrop]:
        config = self.config
        return fixed_crops(
            self.dataset.splits[split], count=count, crop=config.crop, seed=config.seed + seed, views=config.views
        )

    def _batches(self, start: int) -> Any:
        config, train = self.config, self.dataset.splits["train"]
        settings: dict[str, Any] = {"batch_size": config.batch_size, "seed": config.seed, "start_step": start}
        places = {name: getattr(config, name) for name in ("crop", "flip", "zoom", "views")}
        crops = np.stack([crop.rgb for crop in self._fixed_training_crops()]) if config.overfit else None

        def share_of(context: tf.distribute.InputContext) -> tf.data.Dataset:
            share = Share(context.input_pipeline_id, context.num_input_pipelines, context.num_replicas_in_sync)
            if crops is not None:
                return repeat_batches(crops, share=share, **settings)
            return crop_batches(train, cache=self._cache, share=share, **settings, **places)

        return iterate(self.devices.strategy.distribute_datasets_from_function(share_of), train)

    def _validation(self) -> Validation:
        if self.config.overfit:
            crops = self._fixed_training_crops()
            mean_uv = mean_chroma(crops)
        else:
            crops = self._fixed("val", self.config.validation_crops, VALIDATION_SEED)
            mean_uv = mean_chroma(self._fixed("train", MEAN_COLOR_CROPS, MEAN_COLOR_SEED))
        return Validation(crops, mean_uv)

    def _score_best(self, last: Scores | None, validation: Validation) -> Scores:
        """The scores of the best model: those of the last validation, if it was the best one."""
        errors = self._errors()
        best = min(errors, key=errors.__getitem__)
        if last and last.step == best and not self.config.start:
            return last
        predictor = Predictor(load(self.run_dir.path))
        if self.config.start:
            self._say(f"comparing with {self.config.start}")
            before = Predictor(self._build_model())
            validation.run(0, before, self._loss, self.config.model, before=True)
            save_png(self.run_dir.path / "before-after.png", self._before_after(before, predictor))
        return validation.run(best, predictor, self._loss, self.config.model)

    def _before_after(self, before: Predictor, after: Predictor) -> np.ndarray:
        """The first pages that are kept apart, reduced: grey | before | after | truth."""
        decoder = self.config.decode if after.contract.classifies else None
        pictures = []
        for image in self.dataset.splits["val"].images[:COMPARED_PAGES]:
            page = Image.fromarray(decode_rgb(read_unchanged(image)))
            page.thumbnail((COMPARED_SIDE, COMPARED_SIDE), Image.Resampling.LANCZOS)
            rgb = np.asarray(page)[None]
            luma = split_luma(rgb.astype(np.float32) / 255)[0].astype(np.float32)
            once, now = (each(luma).decode(decoder, seed=self.config.seed) for each in (before, after))
            pictures.append(summary_image(luma, now, rgb, 1, before=once))
        return below_each_other(pictures)

    def _validate(self, step: int, validation: Validation) -> Scores:
        """Scores, shows and keeps the model. The record comes last: without one, all of it is done again."""
        with averaged(self.optimizer, self.model):
            scores = self._show_and_keep(step, validation)
        if not step:
            self._untrained = scores.loss
        self._log(step=step, validation=scores.as_json())
        return scores

    def _show_and_keep(self, step: int, validation: Validation) -> Scores:
        scores = validation.run(step, self._predictor, self._loss, self.config.model)
        shown = slice(0, SUMMARY_CROPS)
        decoder = self.config.decode if self._predictor.contract.classifies else None
        uv = self._predictor(validation.luma[shown]).decode(decoder, seed=self.config.seed)
        picture = summary_image(validation.luma[shown], uv, validation.rgb[shown])
        save_png(self.run_dir.summary_picture(step), picture)
        save_png(self.run_dir.path / "summary.png", picture)
        if step or self.config.start:
            if scores.error < self._best:
                self._best = scores.error
                self.run_dir.save_model(self.model, "best.keras")
            self.run_dir.save_model(self.model, "last.keras")
        self._trackers.picture(step, picture)
        return scores

    def _log(self, **record: Any) -> None:
        if self.devices.chief:
            self.run_dir.log(**record)
            self._trackers.record(record)

    def _say(self, text: str) -> None:
        say(text, self._console)

    def _variables(self) -> list[Any]:
        added = self.added.variables if self.added else []
        return [*self.model.variables, *self.optimizer.variables, *added]


def validation_line(scores: Scores) -> str:
    """One line that says how a validation went."""
    row, (grey, mean) = scores.rows[0], scores.baselines
    return (
        f"validation at step {scores.step}: loss {scores.loss:.4g}, RMSE-ab {row.rmse_ab:.2f}"
        f" (grey image {grey.rmse_ab:.2f}, mean colour {mean.rmse_ab:.2f})"
    )
