"""What watches over a run: locks, signals, losses, loaders, memory, disks."""

import errno
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import filelock
import numpy as np
import pytest
from children import Child, run_child
from images import make_images

from zoo.errors import InterruptError, RunError, StallError
from zoo.training import guards
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.guards import Fetcher, Stop, check_losses, some_names

FAST = ["--encoder-weights", "none", "--crop", 16, "--batch-size", 4, "--validation-crops", 2]
COMMON = [*FAST, "--precision", "float32", "--deterministic", "--checkpoint-every", 2, "--validate-every", 4]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=5, val=2)


def weights(folder: Path, step: int) -> list[bytes]:
    return [array.tobytes() for array in read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[1]]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# One process a run directory.


def test_a_run_directory_is_locked(data, tmp_path):
    folder = tmp_path / "run"
    command = ["tiny", "--data", data, *COMMON, "--run-dir", folder]
    first = Child([*command, "--steps", 100_000])
    first.wait_for("validation at step 4")
    before = (folder / "config.json").read_bytes()
    code, log = run_child([*command, "--steps", 100_000], log=tmp_path / "second.log")
    assert code == 2
    assert f"another process is training in {folder}: wait for it, or choose another --run-dir" in log
    assert first.process.is_alive()
    first.process.kill()
    first.process.join()
    assert (folder / "config.json").read_bytes() == before
    lock = filelock.FileLock(folder / ".lock")
    lock.acquire(timeout=0)  # a process that was killed leaves nothing locked
    lock.release()


def test_a_directory_that_nothing_came_of_is_gone_again(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "new" / "run", "--cache", "disk"]
    code, log = run_child(command, setup=raise_in_create, log=tmp_path / "log")
    assert code == 1
    assert "could not be written" in log
    assert not (tmp_path / "new" / "run").exists()


def raise_in_create() -> None:
    from zoo.training import rundir

    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    rundir.write_text = refuse  # type: ignore[assignment]


# Signals.


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_signal_saves_and_the_run_goes_on(data, tmp_path, name, code):
    import signal

    command = ["tiny", "--data", data, *COMMON, "--validate-every", 100_000, "--schedule", "constant"]
    child = Child([*command, "--steps", 100_000, "--run-dir", tmp_path / "run"])
    while not (tmp_path / "run" / "checkpoints" / "step-0000004.npz").exists():
        assert child.process.is_alive(), child.log
    os.kill(child.process.pid, getattr(signal, name))
    assert child.end()[0] == code
    step = Checkpoints(tmp_path / "run" / "checkpoints").steps()[0]
    assert f"stopped at step {step} of 100000, saved in {tmp_path / 'run'}: give the same command again" in child.log
    whole = [*command, "--steps", step, "--keep-checkpoints", 9, "--run-dir", tmp_path / "whole"]
    assert run_child(whole)[0] == 0
    assert weights(tmp_path / "run", step) == weights(tmp_path / "whole", step)


def never_ending_validation() -> None:
    from zoo.training.validation import Validation

    run = Validation.run

    def slow(self, step, *arguments):
        if step:
            print("validating", flush=True)
            for _ in range(3000):
                time.sleep(0.1)
        return run(self, step, *arguments)

    Validation.run = slow  # type: ignore[method-assign]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_a_library_makes_of_a_signal_is_still_one(number, code):
    def trace() -> None:
        try:
            signal.raise_signal(number)  # outside of `deferred` it acts at once
        except InterruptError as error:
            raise RuntimeError("Exception encountered when calling Functional.call()") from error

    with pytest.raises(InterruptError, match="stopped: give the same command again") as found, Stop().listening():
        trace()
    assert found.value.exit_code == code
    with pytest.raises(RunError, match="diverged"), Stop().listening():
        raise RunError("diverged")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_library_keeps_a_signal_to_itself(number, code, capsys):
    class Last:
        def __del__(self) -> None:
            signal.raise_signal(number)

    def met_by_a_destructor() -> None:
        Last()  # where Python prints what is raised, and goes on
        for _ in range(100):
            time.sleep(0.1)
        pytest.fail("the signal was lost")

    def caught() -> None:
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt:
            return

    def taken_for_a_failure() -> None:
        try:  # as AutoGraph does, which then calls the function as it is
            signal.raise_signal(number)
        except Exception:
            pytest.fail("the signal was lost")

    for work in (met_by_a_destructor, caught, taken_for_a_failure):
        with pytest.raises(InterruptError) as found, Stop().listening():
            work()
        assert found.value.exit_code == code
    assert capsys.readouterr().err == ""


def test_a_signal_does_not_wait_for_the_end_of_a_validation(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    child = Child(command, setup=never_ending_validation)
    child.wait_for("validating")
    child.process.terminate()
    code, log = child.end(seconds=60)
    assert code == 143, log
    assert "stopped: give the same command again to go on" in log
    code, log = run_child(command)
    assert code == 0, log
    assert "going on from step 4" in log
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validation" in line] == [0, 4, 8]


# Losses.


def names_of(step: int) -> list[str]:
    return [f"batch{step}-{index}.png" for index in range(3)]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([1, np.nan, 1], "the loss of step 19 is nan: training diverged; KEPT. Its batch is of batch18-0.png, batch18"),
        ([1, 1, -np.inf], "the loss of step 20 is -inf: training"),
        ([1, 1, 2500], "the loss of step 20 is 2500, over 1000 times the untrained network's 2: training diverged"),
    ],
)
def test_a_loss_that_diverges_names_its_batch(losses, message):
    with pytest.raises(RunError) as error:
        check_losses(np.array(losses, float), 20, 2.0, names_of, "KEPT")
    assert message in str(error.value)


def test_a_loss_that_does_not_diverge():
    check_losses(np.array([1.0, 1999.0, -3.0]), 20, 2.0, names_of, "")
    check_losses(np.array([1e9]), 20, np.nan, names_of, "")  # what the untrained network's was is not known


def test_some_names():
    assert some_names(["a", "b"]) == "a, b"
    assert some_names(list("abcdefghij")) == "a, b, c, d, e, f, g, h and 2 more"


def test_an_exploding_run_keeps_its_last_good_checkpoint(data, tmp_path):
    flags = ["--optimizer", "sgd", "--learning-rate", "1e30", "--steps", 20, "--run-dir", tmp_path / "run"]
    code, log = run_child(["tiny", "--data", data, *COMMON, *flags])
    assert code == 1
    assert "training diverged" in log
    step = Checkpoints(tmp_path / "run" / "checkpoints").steps()[0]
    assert all(np.isfinite(np.frombuffer(each, np.float32)).all() for each in weights(tmp_path / "run", step))


# The loader.


def test_a_slow_loader_is_said_and_waited_for(monkeypatch):
    monkeypatch.setattr(guards, "SILENT_SECONDS", 0.05)
    said: list[str] = []

    def slow():
        yield 1
        time.sleep(0.5)
        yield 2

    fetcher = Fetcher(slow(), 6, names_of, said.append)
    assert [fetcher.next(), fetcher.next()] == [1, 2]
    assert len(said) == 1
    assert "it reads batch7-0.png, batch7-1.png, batch7-2.png" in said[0]
    with pytest.raises(StopIteration):
        fetcher.next()
    fetcher.close()


def test_a_stalled_loader_is_an_error_that_names_the_images(monkeypatch):
    monkeypatch.setattr(guards, "SILENT_SECONDS", 0.05)
    monkeypatch.setattr(guards, "STALL_SECONDS", 0.2)
    never = threading.Event()

    def stuck():
        yield 1
        never.wait()
        yield 2

    fetcher = Fetcher(stuck(), 0, names_of, lambda _: None)
    assert fetcher.next() == 1
    with pytest.raises(StallError, match=r"the loader has stalled: no batch for 0 s at step 2, of batch1-0.png"):
        fetcher.next()
    never.set()
    fetcher.close()


def stalling_pictures() -> None:
    from zoo.data import image_files

    guards.SILENT_SECONDS, guards.STALL_SECONDS = 1.0, 3.0
    begun = threading.Event()
    read, count = image_files.ImageFile.read, [0]

    def stuck(self):
        if threading.current_thread().name != "MainThread" and begun.is_set():
            count[0] += 1
            if count[0] > 100:
                time.sleep(3600)
        return read(self)

    image_files.ImageFile.read = stuck  # type: ignore[method-assign]
    begun.set()


def test_a_run_whose_drive_hangs_ends_and_can_go_on(data, tmp_path):
    """The images are in an archive, which Python reads; the process must end though a thread of it never will."""
    import shutil

    archive = Path(shutil.make_archive(str(tmp_path / "pages"), "zip", data))
    command = ["tiny", "--data", archive, *COMMON, "--steps", 100_000, "--run-dir", tmp_path / "run"]
    code, log = run_child(command, setup=stalling_pictures)
    assert code == 1, log
    assert "no batch from the loader for 1 s; it reads train/" in log
    assert "the loader has stalled" in log
    step = Checkpoints(tmp_path / "run" / "checkpoints").steps()[0]
    child = Child(command)
    child.wait_for(f"going on from step {step}")
    child.process.kill()


# Memory.


def out_of_memory(above: int, at: int) -> None:
    """Steps of more than `above` crops at a time are out of memory from call `at` on, after half an update."""
    import tensorflow as tf

    from zoo.training import trainer

    build = trainer.build_step

    def limited(model, optimizer, loss, *, micro_batch, **options):
        step, calls = build(model, optimizer, loss, micro_batch=micro_batch, **options), [0]

        def run(batch):
            calls[0] += 1
            if (micro_batch or batch.shape[0]) > above and calls[0] >= at:
                for variable in model.trainable_variables[:2]:
                    variable.assign(variable + 1.0)
                raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1,2,3]")
            return step(batch)

        return run

    trainer.build_step = limited  # type: ignore[assignment]


def out_at_once() -> None:
    out_of_memory(above=1, at=1)


def out_at_step_four() -> None:
    out_of_memory(above=2, at=4)


def always_out() -> None:
    out_of_memory(above=0, at=1)


def test_out_of_memory_halves_the_micro_batch(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 4]
    code, log = run_child([*command, "--run-dir", tmp_path / "run"], setup=out_at_once)
    assert code == 0, log
    for smaller, larger in ((2, 4), (1, 2)):
        assert f"out of memory: computing {smaller} crops at a time instead of {larger}, and adding their grad" in log
    code, log = run_child([*command, "--micro-batch", 1, "--run-dir", tmp_path / "by-hand"])
    assert code == 0, log
    assert weights(tmp_path / "run", 4) == weights(tmp_path / "by-hand", 4)
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [0, 2, 4, 4]


def test_out_of_memory_later_goes_on_from_the_checkpoint(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 6, "--run-dir", tmp_path / "run", "--keep-checkpoints", 9]
    code, log = run_child(command, setup=out_at_step_four)
    assert code == 0, log
    assert "computing 2 crops at a time instead of 4" in log
    assert "going on from step 2" in log
    states = [read_checkpoint(path)[0] for path in sorted((tmp_path / "run" / "checkpoints").iterdir())]
    assert [(each["step"], each["micro_batch"]) for each in states] == [(0, 0), (2, 0), (4, 2), (6, 2)]
    # A run that is resumed remembers.
    (tmp_path / "run" / "result.json").unlink()
    Checkpoints(tmp_path / "run" / "checkpoints").path(6).unlink()
    before = weights(tmp_path / "run", 4)
    code, log = run_child(command, setup=out_at_step_four)
    assert code == 0, log
    assert "out of memory" not in log
    assert weights(tmp_path / "run", 4) == before


def test_when_one_crop_is_too_much(data, tmp_path):
    code, log = run_child(["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "run"], setup=always_out)
    assert code == 1
    assert "a step of 1 crops of 16² on each device is out of memory: try a smaller --crop or another model" in log
    assert Checkpoints(tmp_path / "run" / "checkpoints").steps() == [0]


def test_a_micro_batch_has_to_divide_the_batch(data, tmp_path):
    code, log = run_child(["tiny", "--data", data, *COMMON, "--micro-batch", 3, "--run-dir", tmp_path / "run"])
    assert code == 2
    assert "--micro-batch 3 does not divide the 4 crops that a device has of a batch" in log
    assert not (tmp_path / "run").exists()


# Disks.


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], capture_output=True)
    if done.returncode:
        pytest.skip("mounting a tmpfs takes the right to do so (root)")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_loses_nothing(data, small_disk, tmp_path):
    """The disk fills up at another moment each time; each time, what was there stays, and the run goes on."""
    folder = small_disk / "run"
    command = ["tiny", "--data", data, *COMMON, "--steps", 6, "--run-dir", folder]
    ballast, outcomes = small_disk / "ballast", set()
    assert run_child(["tiny", "--data", data, *COMMON, "--steps", 6, "--run-dir", tmp_path / "whole"])[0] == 0
    for free in (2, 12, 24, 36, 48, 64, 80, 100, 140):
        space = os.statvfs(small_disk)
        ballast.write_bytes(b"\0" * max(0, space.f_bavail * space.f_bsize - free * 1024))
        before = contents(folder) if folder.exists() else {}
        code, log = run_child(command, log=tmp_path / f"{free}.log")
        outcomes.add(code)
        ballast.unlink()
        if code == 0:
            break
        assert code in (1, 2), log
        assert "the disk is full" in log or "No space left on device" in log, log
        assert "Traceback" not in log
        after = contents(folder) if folder.exists() else {}
        for step in Checkpoints(folder / "checkpoints").steps():  # every checkpoint that is there is whole
            assert read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[0]["step"] == step
        gone = {path for path in before if path not in after and "checkpoints" not in path.parts}
        assert not gone
    assert 1 in outcomes
    code, log = run_child(command, log=tmp_path / "last.log")
    assert code == 0, log
    assert weights(folder, 6) == weights(tmp_path / "whole", 6)


@pytest.fixture
def read_only(tmp_path):
    """Makes a folder read-only, for root too."""
    mounted = []

    def make(folder: Path) -> None:
        commands = (["mount", "--bind", folder, folder], ["mount", "-o", "remount,ro,bind", folder])
        for command in commands:
            if subprocess.run(command, capture_output=True).returncode:
                pytest.skip("a read-only mount takes the right to make one (root)")
            if folder not in mounted:
                mounted.append(folder)

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", folder], check=True)


def test_a_read_only_run_directory_is_named(data, tmp_path, read_only):
    folder = tmp_path / "run"
    command = ["tiny", "--data", data, *COMMON, "--steps", 2, "--run-dir", folder]
    assert run_child(command)[0] == 0
    (folder / "result.json").unlink()
    before = contents(folder)
    read_only(folder)
    code, log = run_child(command)
    assert code == 2
    assert f"{folder} cannot be written: Read-only file system" in log
    assert contents(folder) == before


def test_a_read_only_place_for_run_directories_is_named(data, tmp_path, read_only):
    (tmp_path / "runs").mkdir()
    read_only(tmp_path / "runs")
    command = ["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "runs" / "run"]
    code, log = run_child(command, log=tmp_path / "log")
    assert code == 2
    assert "cannot be written: Read-only file system" in log


def test_a_read_only_cache(data, tmp_path, read_only):
    cache = tmp_path / "cache"
    cache.mkdir()
    read_only(cache)
    here = {"COLORIZATION_ZOO_CACHE": str(cache)}
    command = ["tiny", *COMMON, "--steps", 2]
    code, log = run_child([*command, "--data", "procedural", "--run-dir", tmp_path / "a"], environment=here)
    assert code == 2
    assert f"cannot write the procedural pages to {cache}" in log
    assert "set COLORIZATION_ZOO_CACHE to a folder that can be written" in log
    disk = ["--data", data, "--cache", "disk", "--run-dir", tmp_path / "b"]
    code, log = run_child([*command, *disk], environment=here)
    assert code == 2
    assert f"{cache / 'decoded'} cannot be written (Read-only file system): set COLORIZATION_ZOO_CACHE" in log


# The clock.


def a_clock_that_jumps() -> None:
    real, jumps = time.time, [0]

    def jumping() -> float:
        jumps[0] += 1
        return real() + (-1) ** jumps[0] * 86_400 * jumps[0]

    time.time = jumping


def test_the_time_of_day_does_not_matter(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 4]
    assert run_child([*command, "--run-dir", tmp_path / "a"])[0] == 0
    code, log = run_child([*command, "--run-dir", tmp_path / "b"], setup=a_clock_that_jumps)
    assert code == 0, log
    assert weights(tmp_path / "a", 4) == weights(tmp_path / "b", 4)
    lines = [json.loads(line) for line in (tmp_path / "b" / "metrics.jsonl").read_text().splitlines()]
    assert all(0 < line["images_per_second"] < 1e6 for line in lines if "loss" in line)
