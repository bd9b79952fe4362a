"""The training loop: one step function over a Keras model, for every model and every loss."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import zoo
from zoo import environment
from zoo.color import split_luma
from zoo.data.pipeline import FixedCrop, crop_batches, fixed_crops, iterate, repeat_batches
from zoo.data.sources import Dataset
from zoo.errors import InterruptError, RunError
from zoo.harness.config import RunConfig
from zoo.harness.optimizers import make_optimizer
from zoo.harness.progress import TrainingProgress
from zoo.harness.rundir import RunDirectory, disk_error
from zoo.harness.summary import save_png, summary_image
from zoo.harness.trackers import Trackers
from zoo.harness.validation import Scores, Validation, mean_chroma
from zoo.losses import chroma_prior, cross_entropy, get_loss, rebalancing_weights
from zoo.models.predict import Predictor, inputs_of, output_of

CHECK_EVERY = 10  # steps between looks at the loss: each look waits for the device
SUMMARY_CROPS = 8
MEAN_COLOR_CROPS, PRIOR_CROPS = 64, 256
# Offsets that keep the crops of training, validation, the mean colour and the prior apart under one seed.
VALIDATION_SEED, MEAN_COLOR_SEED, OVERFIT_SEED, PRIOR_SEED = 1_000_003, 2_000_003, 3_000_017, 4_000_037


class Trainer:
    """One run: builds the model, trains it, and keeps its directory.

    Args:
        config: what to compute.
        dataset: where the crops come from.
        run: where the results go.
        say: where messages go.
        offline: never look for encoder weights on a network.
        cache: `memory` or `disk` keeps decoded images: see `zoo.data.cache`. It changes no result.
    """

    def __init__(
        self,
        config: RunConfig,
        dataset: Dataset,
        run: RunDirectory,
        say: Any,
        *,
        offline: bool = False,
        cache: str | None = None,
    ) -> None:
        self.config, self.dataset, self.run_dir, self._console = config, dataset, run, say
        self.precision = environment.resolve_precision(config.precision)
        self._offline, self._cache = offline, cache
        self._resuming = run.checkpoint.exists()
        self.model = self._build_model()
        self._loss = get_loss(config.loss, output_of(self.model))
        if config.rebalance:
            self._loss = self._rebalanced()
        self.optimizer = make_optimizer(config, self.precision)
        self.optimizer.build(self.model.trainable_variables)
        self._predictor = Predictor(self.model)
        self._best = float("inf")
        self._trackers = Trackers()

    def _build_model(self) -> keras.Model:
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(environment.policy_name(self.precision))
        try:
            return zoo.create(
                self.config.model,
                # A checkpoint holds the encoder too.
                encoder_weights="none" if self._resuming else self.config.encoder_weights,
                train_encoder=self.config.train_encoder,
                seed=self.config.seed,
                offline=self._offline,
                **self.config.model_options,
            )
        finally:
            keras.config.set_dtype_policy(before)

    def train(self, open_trackers: Callable[[], Trackers] = Trackers) -> Scores:
        """Trains to the last step, from the newest checkpoint if there is one.

        Args:
            open_trackers: called once metrics.jsonl is rewound to where training begins. They change no result.

        Returns:
            The scores of the last validation.

        Raises:
            InterruptError: Ctrl-C; the run is saved.
            RunError: the loss is not finite, or a file could not be written.
        """
        try:
            start = self._resume() if self._resuming else 0
            if start == 0:
                self.run_dir.rewind(-1)  # what a run that was cut before its first checkpoint left
            with open_trackers() as self._trackers:
                return self._train(start)
        except OSError as error:
            raise disk_error(error, self.run_dir.path) from error

    def _train(self, start: int) -> Scores:
        config = self.config
        validation = self._validation()
        batches = self._batches(start)
        step_function = build_step(self.model, self.optimizer, self._loss)
        scores: Scores | None = None
        losses: list[Any] = []
        if start == 0:
            scores = self._validate(0, validation)
        with (
            TrainingProgress(config.steps, start, config.batch_size, self._console) as progress,
            _deferred_interrupt() as interrupted,
        ):
            for step in range(start + 1, config.steps + 1):
                losses.append(step_function(next(batches)))
                # Asked once a step: a Ctrl-C that comes after this line is for the next step, which saves.
                stopping = interrupted.is_set() and step < config.steps
                due = step == config.steps or step % config.validate_every == 0
                saving = due or step % config.checkpoint_every == 0 or stopping
                if step % CHECK_EVERY == 0 or saving:
                    loss = self._check(step, losses)
                    progress.update(step, loss)
                    self._log(
                        step=step,
                        loss=loss,
                        images_per_second=progress.images_per_second(step),
                        learning_rate=float(self.optimizer.learning_rate),  # of the step that comes next
                    )
                    losses.clear()
                if due:
                    began = time.monotonic()
                    scores = self._validate(step, validation)
                    progress.say(validation_line(scores))
                    progress.pause(time.monotonic() - began)
                if saving:
                    self.run_dir.save_checkpoint(step, self._variables())
                if stopping:
                    raise InterruptError(
                        f"stopped at step {step} of {config.steps}, saved in {self.run_dir.path}:"
                        " give the same command again to go on"
                    )
        if scores is None:  # resumed at the last step, whose validation is on record
            scores = self._score(config.steps, validation)
        return scores

    def _check(self, step: int, losses: list[Any]) -> float:
        values = np.array([float(value) for value in losses])
        if not np.isfinite(values).all():
            bad = step - len(values) + 1 + int(np.argmin(np.isfinite(values)))
            kept = (
                f"the checkpoint before it is intact in {self.run_dir.path}"
                if self.run_dir.checkpoint.exists()
                else "there was no checkpoint yet"
            )
            raise RunError(
                f"the loss of step {bad} is {values[bad - step - 1]}: training diverged; {kept}."
                " Try a lower --learning-rate, --precision float32 or, for a regression, the sigmoid output."
            )
        return float(values.mean())

    def _rebalanced(self) -> Callable[[Any, Any], Any]:
        config = self.config
        crops = fixed_crops(
            self.dataset.splits["train"], count=PRIOR_CROPS, crop=config.crop, seed=config.seed + PRIOR_SEED
        )
        prior = chroma_prior(np.stack([split_luma(crop.rgb / 255.0)[1] for crop in crops]))
        return partial(cross_entropy, weights=rebalancing_weights(prior, config.rebalance))

    def _fixed_training_crops(self) -> list[FixedCrop]:
        config = self.config
        return fixed_crops(
            self.dataset.splits["train"],
            count=config.overfit,
            crop=config.crop,
            seed=config.seed + OVERFIT_SEED,
        )

    def _batches(self, start: int) -> Iterator[Any]:
        config, train = self.config, self.dataset.splits["train"]
        if config.overfit:
            crops = np.stack([crop.rgb for crop in self._fixed_training_crops()])
            return iter(repeat_batches(crops, batch_size=config.batch_size, seed=config.seed, start_step=start))
        batches = crop_batches(
            train,
            batch_size=config.batch_size,
            crop=config.crop,
            seed=config.seed,
            start_step=start,
            flip=config.flip,
            cache=self._cache,
        )
        return iterate(batches, train)

    def _validation(self) -> Validation:
        config = self.config
        train = self.dataset.splits["train"]
        if config.overfit:
            crops = self._fixed_training_crops()
            mean_uv = mean_chroma(crops)
        else:
            crops = fixed_crops(
                self.dataset.splits["val"],
                count=config.validation_crops,
                crop=config.crop,
                seed=config.seed + VALIDATION_SEED,
            )
            mean_uv = mean_chroma(
                fixed_crops(train, count=MEAN_COLOR_CROPS, crop=config.crop, seed=config.seed + MEAN_COLOR_SEED)
            )
        return Validation(crops, mean_uv)

    def _score(self, step: int, validation: Validation) -> Scores:
        return validation.run(step, self._predictor, self._loss, self.config.model)

    def _validate(self, step: int, validation: Validation) -> Scores:
        scores = self._score(step, validation)
        self._log(step=step, validation=scores.as_json())
        shown = slice(0, SUMMARY_CROPS)
        decoder = self.config.decode if self._predictor.output == "logits" else None
        uv = self._predictor(validation.luma[shown]).decode(decoder, seed=self.config.seed)
        picture = summary_image(validation.luma[shown], uv, validation.rgb[shown])
        save_png(self.run_dir.summary_picture(step), picture)
        save_png(self.run_dir.path / "summary.png", picture)
        self._trackers.picture(step, picture)
        if step:
            if scores.loss < self._best:
                self._best = scores.loss
                self.run_dir.save_model(self.model, "best.keras")
            self.run_dir.save_model(self.model, "last.keras")
        return scores

    def _log(self, **record: Any) -> None:
        self.run_dir.log(**record)
        self._trackers.record(record)

    def _variables(self) -> list[Any]:
        return [*self.model.variables, *self.optimizer.variables]

    def _resume(self) -> int:
        step = self.run_dir.load_checkpoint(self._variables())
        kept = self.run_dir.rewind(step)
        losses = [r["validation"]["loss"] for r in kept if "validation" in r and r["step"]]
        self._best = min(losses, default=float("inf"))
        self._console.print(f"going on from step {step} in {self.run_dir.path}", highlight=False, soft_wrap=True)
        return step


def check_model(config: RunConfig) -> None:
    """Raises UsageError if the model does not take its options, or the loss does not fit what it answers with."""
    model = zoo.create(config.model, encoder_weights="none", **config.model_options)
    get_loss(config.loss, output_of(model))


def build_step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    loss_function: Callable[[Any, Any], Any],
    *,
    jit: bool = False,
) -> Callable[[Any], Any]:
    """The training step: uint8 RGB (B, H, W, 3) in, the loss before the update out.

    Args:
        model: what is trained.
        optimizer: built for the model's trainable variables.
        loss_function: of (uv, output).
        jit: compile the step with XLA; on a CPU that makes it slower.
    """
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function(jit_compile=jit)
    def step(rgb: tf.Tensor) -> tf.Tensor:
        luma, uv = split_luma(tf.cast(rgb, tf.float32) / 255.0)
        # Watching no more than what is trained keeps a frozen encoder out of the backward pass.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(variables)
            loss = loss_function(uv, model(inputs_of(model, luma, uv), training=True))
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, variables), model.trainable_variables)
        return loss

    return step


def validation_line(scores: Scores) -> str:
    """One line that says how a validation went."""
    row, (grey, mean) = scores.rows[0], scores.baselines
    return (
        f"validation at step {scores.step}: loss {scores.loss:.4g}, RMSE-ab {row.rmse_ab:.2f}"
        f" (grey image {grey.rmse_ab:.2f}, mean colour {mean.rmse_ab:.2f})"
    )


@contextmanager
def _deferred_interrupt() -> Iterator[threading.Event]:
    """Turns the first Ctrl-C into an event, so that a step is never cut in two; the second interrupts at once."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handler(number: int, frame: Any) -> None:
        event.set()
        signal.signal(signal.SIGINT, before)

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield event
    finally:
        signal.signal(signal.SIGINT, before)
