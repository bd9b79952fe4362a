"""A run that is killed goes on to the same weights, to the last bit, whatever it was doing and whatever was damaged."""

import itertools
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import signals
from children import Moment, arrays, differences, run_child
from images import make_images

from zoo.training.checkpoints import Checkpoints, DamagedError, read_checkpoint

STEPS = 8
FAST = ["--encoder-weights", "none", "--crop", 16, "--batch-size", 2, "--validation-crops", 2, "--flip"]
CHANGED = ["--zoom", 1.5, "--contrast", 0.3, "--scans", 0.4, "--ema", 0.5]
COMMON = [*FAST, *CHANGED, "--deterministic", "--steps", STEPS, "--checkpoint-every", 2, "--validate-every", 4]

MOMENTS = [
    *[Moment("write", n, when) for n, when in ((1, "before"), (1, "half"), (2, "half"), (2, "after"))],
    Moment("flush", 1),
    *[Moment("rename", n, when) for n, when in ((1, "before"), (1, "after"), (5, "after"))],
    *[Moment("remove", n, when) for n, when in ((2, "before"), (2, "after"))],
    Moment("checkpoint", 2, "after"),
    *[Moment("model", n, when) for n, when in ((1, "before"), (2, "after"))],
    *[Moment("record", n, when) for n, when in ((1, "half"), (2, "after"), (4, "before"))],
    Moment("result", 1, "before"),
    *[Moment("time", milliseconds) for milliseconds in np.random.default_rng(6).integers(1, 150, 4).tolist()],
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=5, val=2)


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory) -> Path:
    """A run that nothing happened to, with all its checkpoints."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    code, log = run_child(["tiny", "--data", data, *COMMON, "--keep-checkpoints", 9, "--run-dir", folder])
    assert code == 0, log
    assert Checkpoints(folder / "checkpoints").steps() == [8, 6, 4, 2, 0]
    return folder


@pytest.mark.parametrize("moment", MOMENTS, ids=lambda m: f"{m.of}-{m.nth}-{m.when}")
def test_a_killed_run_ends_where_it_would_have(data, whole, tmp_path, moment):
    command = ["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "run"]
    code, log = run_child(command, moment)
    assert code == -9, log
    steps = Checkpoints(tmp_path / "run" / "checkpoints").steps()
    assert max(steps) > 0
    code, log = run_child(command)
    assert code == 0, log
    assert f"going on from step {max(steps)}" in log
    assert differences(tmp_path / "run", whole) == []


def signal_in_step_3() -> None:
    _signal_in_step(3, signal.SIGINT)


def signal_in_step_4() -> None:
    _signal_in_step(4, signal.SIGTERM)


def signal_in_the_last_step() -> None:
    _signal_in_step(STEPS, signal.SIGINT)


def _signal_in_step(step: int, number: int) -> None:
    from zoo.training import trainer

    following, steps = trainer.Fetcher.next, itertools.count(1)

    def batch(self: object) -> object:
        if next(steps) == step:
            signal.raise_signal(number)
        return following(self)

    trainer.Fetcher.next = batch


@pytest.mark.parametrize(
    ("setup", "step", "code"),
    [(signal_in_step_3, 3, 130), (signal_in_step_4, 4, 143), (signal_in_the_last_step, STEPS, 130)],
)
def test_a_stopped_run_ends_where_it_would_have(data, whole, tmp_path, setup, step, code):
    """After a step whose loss is not recorded, one before a validation, and one that no other comes after."""
    command = ["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "run"]
    found, log = run_child(command, setup=setup)
    assert found == code, log
    assert f"stopped at step {step} of {STEPS}, saved in" in log
    found, log = run_child(command)
    assert found == 0, log
    assert f"going on from step {step}" in log
    assert differences(tmp_path / "run", whole) == []


@pytest.mark.slow
def test_signals_at_random_moments(tmp_path):
    """A few of those of `python tests/helpers/signals.py`."""
    for case in signals.trial(tmp_path, early=4, late=2, seed=0, steps=200, jobs=2):
        assert case.faults == (), case.row()


def test_a_real_model_too(data, tmp_path):
    command = ["residual", "--data", data, *COMMON, "--steps", 4]
    assert run_child([*command, "--run-dir", tmp_path / "whole"])[0] == 0
    assert run_child([*command, "--run-dir", tmp_path / "run"], Moment("record", 1))[0] == -9
    code, log = run_child([*command, "--run-dir", tmp_path / "run"])
    assert code == 0, log
    assert "going on from step 2" in log
    assert arrays(tmp_path / "run", 4) == arrays(tmp_path / "whole", 4)


def unfinished(whole: Path, folder: Path, steps: tuple[int, ...] = (2, 4, 6)) -> Path:
    """A copy of the run as it was at the last of `steps`."""
    shutil.copytree(whole, folder)
    (folder / "result.json").unlink()
    for step in {0, 2, 4, 6, 8} - set(steps):
        Checkpoints(folder / "checkpoints").path(step).unlink()
    return folder


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    shutil.copy(path.with_name("step-0000002.npz"), path)


@pytest.mark.parametrize("damaged", [1, 2])
@pytest.mark.parametrize("damage", [cut, flip, swap, lambda path: path.write_bytes(b"")])
def test_a_damaged_checkpoint_falls_back_to_the_one_before_it(data, whole, tmp_path, damage, damaged):
    folder = unfinished(whole, tmp_path / "run")
    store = Checkpoints(folder / "checkpoints")
    for step in (6, 4)[:damaged]:
        damage(store.path(step))
    code, log = run_child(["tiny", "--data", data, *COMMON, "--run-dir", folder])
    assert code == 0, log
    for step in (6, 4)[:damaged]:
        assert f"{store.path(step)} is damaged" in log
    assert f"going on from step {(4, 2)[damaged - 1]}" in log
    assert differences(folder, whole) == []


def test_a_checkpoint_of_another_run_is_refused(data, whole, tmp_path):
    other = tmp_path / "other"
    run_child(["tiny", "--data", data, *COMMON, "--seed", 1, "--steps", 2, "--run-dir", other])
    folder = unfinished(whole, tmp_path / "run")
    foreign = Checkpoints(folder / "checkpoints").path(7)
    state, arrays = read_checkpoint(Checkpoints(other / "checkpoints").path(2))
    Checkpoints(folder / "checkpoints", keep=9).save(arrays, state | {"step": 7})
    code, log = run_child(["tiny", "--data", data, *COMMON, "--run-dir", folder])
    assert code == 2
    assert f"{foreign} is of another run" in log
    foreign.unlink()
    assert run_child(["tiny", "--data", data, *COMMON, "--run-dir", folder])[0] == 0
    assert differences(folder, whole) == []


def test_when_all_are_damaged_nothing_is_touched(data, whole, tmp_path):
    folder = unfinished(whole, tmp_path / "run")
    for path in (folder / "checkpoints").iterdir():
        cut(path)
    before = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "environment.json"}
    code, log = run_child(["tiny", "--data", data, *COMMON, "--run-dir", folder])
    assert code == 2
    assert f"every checkpoint in {folder / 'checkpoints'} is damaged: delete that folder to start again" in log
    after = {p.name: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != "environment.json"}
    assert after == before


def test_no_flipped_bit_goes_unnoticed(whole, tmp_path):
    path = Checkpoints(whole / "checkpoints").path(4)
    content, (state, truth) = path.read_bytes(), read_checkpoint(path)
    rng = np.random.default_rng(0)
    places = np.unique([*range(300), *rng.integers(0, len(content), 700), *range(len(content) - 300, len(content))])
    found, copy = 0, tmp_path / "copy.npz"
    for place in places:
        changed = bytearray(content)
        changed[place] ^= 1 << int(rng.integers(8))
        copy.write_bytes(changed)
        try:
            read, values = read_checkpoint(copy)
        except DamagedError:
            found += 1
            continue
        # A few bytes of a zip file mean nothing, such as the time of its entries.
        assert read == state
        assert [v.tobytes() for v in values] == [v.tobytes() for v in truth]
    assert found > 0.7 * len(places)


def test_checkpoints_of_another_model_are_refused(tmp_path):
    store = Checkpoints(tmp_path)
    store.save([np.zeros(3)], {"step": 1})
    with pytest.raises(ValueError, match="of another model"):
        store.load([np.zeros(4)], print)


def test_the_last_few_are_kept(tmp_path):
    store = Checkpoints(tmp_path, keep=3)
    for step in range(1, 6):
        store.save([np.full(2, step)], {"step": step})
    assert store.steps() == [5, 4, 3]
    with pytest.raises(RuntimeError, match="after step 6 a weight is not finite"):
        store.save([np.array([1.0, np.nan])], {"step": 6})
    assert store.steps() == [5, 4, 3]


def test_a_damaged_checkpoint_does_not_take_the_place_of_a_whole_one(tmp_path):
    for step in (2, 4):
        Checkpoints(tmp_path).save([np.full(2, step)], {"step": step})
    Checkpoints(tmp_path).path(4).write_bytes(b"damaged")
    store = Checkpoints(tmp_path, keep=1)
    store.save([np.full(2, 3)], {"step": 3})  # by a run that goes on from step 2
    assert store.steps() == [3]
    assert read_checkpoint(store.path(3))[0] == {"step": 3}


def test_there_are_twenty_moments():
    assert len(MOMENTS) >= 20
    assert {"write", "flush", "rename", "remove"} <= {moment.of for moment in MOMENTS}
