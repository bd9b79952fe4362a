"""Training on several devices and in several processes ends where one device does."""

import json
import socket
from pathlib import Path

import numpy as np
import pytest
from children import Child, Moment, run_child
from images import make_images

from zoo import train
from zoo.errors import UsageError
from zoo.training.checkpoints import Checkpoints, read_checkpoint
from zoo.training.devices import check_port, read_tf_config

FAST = ["--encoder-weights", "none", "--crop", 16, "--batch-size", 6, "--validation-crops", 2, "--flip"]
COMMON = [
    *FAST,
    "--zoom",
    1.5,
    "--contrast",
    0.3,
    "--scans",
    0.5,
    "--ema",
    0.5,
    "--precision",
    "float32",
    "--deterministic",
    "--checkpoint-every",
    2,
    "--validate-every",
    4,
]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return make_images(tmp_path_factory.mktemp("data") / "images", train=7, val=2)


@pytest.fixture(scope="module")
def alone(data, tmp_path_factory) -> Path:
    """The run on one device."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    code, log = run_child(["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", folder])
    assert code == 0, log
    return folder


HALF = ["--precision", "float16", "--steps", 6]


@pytest.fixture(scope="module")
def half(data, tmp_path_factory) -> Path:
    """The run on one device in float16."""
    folder = tmp_path_factory.mktemp("half") / "run"
    code, log = run_child(["tiny", "--data", data, *COMMON, *HALF, "--run-dir", folder])
    assert code == 0, log
    return folder


def weights(folder: Path, step: int = 8) -> list[np.ndarray]:
    return read_checkpoint(Checkpoints(folder / "checkpoints").path(step))[1]


def difference(one: Path, other: Path) -> float:
    """The largest difference of two runs' weights and optimizer states, as a share of each array's largest value."""
    pairs = zip(weights(one), weights(other), strict=True)
    return max(float(np.abs(a - b).max() / (np.abs(b).max() + 1e-12)) for a, b in pairs)


def start_workers(count: int, command: list, moment: Moment | None = None, more: tuple | list = ()) -> list[Child]:
    """Processes of one run on the loopback; `moment` is of the chief, `more` is what the others are told besides."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    children = []
    for index in range(count):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        folder = Path(command[command.index("--run-dir") + 1])
        # Only the chief has to see the run directory.
        mine = [folder.with_name(f"elsewhere{index}") if word == folder and index else word for word in command]
        children.append(
            Child(
                [*mine, "--distribute", "multiworker", *(more if index else ())],
                moment=None if index else moment,
                environment={"TF_CONFIG": json.dumps(config)},
            )
        )
    return children


def losses(folder: Path) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.parametrize("devices", [2, 3])
def test_mirrored(data, alone, tmp_path, devices):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    code, log = run_child([*command, "--distribute", "mirrored"], devices=devices)
    assert code == 0, log
    assert f"on each of {devices} devices" in log
    assert difference(tmp_path / "run", alone) < 2e-3  # Adam magnifies the rounding of gradients that are near zero
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), rel=1e-5)
    assert json.loads((tmp_path / "run" / "environment.json").read_text())[0]["replicas"] == devices


def test_batch_norm_by_device_is_another_thing(data, alone, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run", "--batch-norm", "local"]
    code, log = run_child([*command, "--distribute", "mirrored"], devices=2)
    assert code == 0, log
    assert difference(tmp_path / "run", alone) > 0.05


def test_a_run_moves_from_one_device_to_two_and_back(data, alone, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    assert run_child(command, Moment("checkpoint", 1, "after"))[0] == -9
    assert run_child([*command, "--distribute", "mirrored"], Moment("checkpoint", 1, "after"), devices=2)[0] == -9
    code, log = run_child(command)
    assert code == 0, log
    assert "going on from step 6" in log
    assert difference(tmp_path / "run", alone) < 2e-3


def test_float16_on_two_devices(data, half, tmp_path):
    command = ["tiny", "--data", data, *COMMON, *HALF, "--run-dir", tmp_path / "two"]
    code, log = run_child([*command, "--distribute", "mirrored"], devices=2)
    assert code == 0, log
    assert losses(tmp_path / "two") == pytest.approx(losses(half), rel=0.02)


def test_float16_in_two_workers(data, half, tmp_path):
    command = ["tiny", "--data", data, *COMMON, *HALF, "--run-dir", tmp_path / "two"]
    found = [child.end() for child in start_workers(2, command)]
    assert [code for code, _ in found] == [0, 0], found
    assert losses(tmp_path / "two") == pytest.approx(losses(half), rel=0.02)


def overflow_on_the_second_device() -> None:
    """Ends the process: with 0 if both devices leave the step out."""
    import keras
    import tensorflow as tf

    import zoo
    from zoo.training.config import RunConfig
    from zoo.training.devices import open_devices
    from zoo.training.losses import mse
    from zoo.training.optimizers import make_optimizer
    from zoo.training.step import build_step

    devices = open_devices("mirrored")
    keras.config.set_dtype_policy("mixed_float16")

    def loss(uv, found):
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return mse(uv, found) * tf.where(replica == 1, 1e12, 1.0)

    with devices.strategy.scope():
        network = zoo.create("tiny")
        for layer in network.layers:
            layer.synchronized = False  # or the infinite gradient reaches the first device through the statistics
        optimizer = make_optimizer(RunConfig("tiny", optimizer="sgd", learning_rate=0.1), "float16")
        optimizer.build(network.trainable_variables)
        step = build_step(network, optimizer, loss)
    before = [np.array(variable) for variable in network.trainable_variables]
    scale = float(np.asarray(optimizer.dynamic_scale))
    rgb = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 16, 3), dtype=np.uint8)
    step(devices.strategy.experimental_distribute_values_from_function(lambda c: rgb[c.replica_id_in_sync_group]))
    for variable, value in zip(network.trainable_variables, before, strict=True):
        for local in devices.strategy.experimental_local_results(variable.value):
            np.testing.assert_array_equal(local, value)
    assert float(np.asarray(optimizer.dynamic_scale)) == scale / 2
    raise SystemExit(0)


def test_float16_an_overflow_on_one_device_is_left_out_by_all(tmp_path):
    code, log = run_child(["--run-dir", tmp_path / "run"], setup=overflow_on_the_second_device, devices=2)
    assert code == 0, log


def test_micro_batches_on_two_devices(data, tmp_path):
    """Three crops a device, one at a time: batch normalisation sees one crop of each device together."""
    command = ["tiny", "--data", data, *COMMON, "--steps", 4, "--micro-batch", 1, "--schedule", "constant"]
    code, log = run_child([*command, "--run-dir", tmp_path / "run", "--distribute", "mirrored"], devices=2)
    assert code == 0, log
    assert json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])["step"] == 4


@pytest.mark.parametrize("workers", [2, 3])
def test_workers(data, alone, tmp_path, workers):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    found = [child.end() for child in start_workers(workers, command)]
    assert [code for code, _ in found] == [0] * workers, found
    assert difference(tmp_path / "run", alone) < 2e-3
    assert losses(tmp_path / "run") == pytest.approx(losses(alone), rel=1e-5)
    assert not list(tmp_path.glob("elsewhere?"))  # the others have written nothing


def test_a_worker_that_dies_stops_the_others_and_all_go_on(data, alone, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    (dead, _), (code, log) = [child.end() for child in start_workers(2, command, Moment("checkpoint", 2, "after"))]
    assert (dead, code) == (-9, 1), log
    assert "worker 1 of 2 has lost another one" in log
    assert "give the same command again on every machine to go on from the last checkpoint" in log
    found = [child.end() for child in start_workers(2, command)]
    assert [code for code, _ in found] == [0, 0], found
    assert "going on from step 6" in found[0][1]
    assert difference(tmp_path / "run", alone) < 2e-3


def test_a_worker_other_than_the_chief_dies(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 100_000, "--run-dir", tmp_path / "run"]
    chief, other = start_workers(2, command)
    chief.wait_for("validation at step 4")
    other.process.kill()
    code, log = chief.end()
    assert code == 1
    assert "worker 0 of 2 has lost another one" in log
    assert "Traceback" not in log
    step = Checkpoints(tmp_path / "run" / "checkpoints").steps()[0]
    assert weights(tmp_path / "run", step)


def test_workers_stop_together(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 100_000, "--run-dir", tmp_path / "run"]
    chief, other = start_workers(2, command)
    chief.wait_for("validation at step 4")
    other.process.terminate()  # one is enough
    (chief_code, chief_log), (other_code, other_log) = chief.end(), other.end()
    assert "stopped at step" in chief_log
    assert chief_log.splitlines()[-1].split(",")[0] == other_log.splitlines()[-1].split(",")[0]
    assert (chief_code, other_code) == (143, 143)


def test_what_stops_the_chief_stops_the_others(data, alone, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--seed", 9, "--run-dir", alone]
    (code, log), (other, other_log) = [child.end() for child in start_workers(2, command)]
    assert (code, other) == (2, 1)
    assert "seed: 0 there, 9 asked for" in log
    assert "the chief, worker 0, cannot begin" in other_log


def test_other_settings_are_named(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", tmp_path / "run"]
    chief, other = start_workers(2, command, more=["--seed", 4, "--learning-rate", 0.1])
    for child in (chief, other):
        code, log = child.end()
        assert code == 2
        assert "the workers were started with different settings (learning_rate, seed)" in log
    assert not (tmp_path / "run").exists()


def test_a_worker_that_begins_from_weights_is_named(data, alone, tmp_path):
    command = ["tiny", "--data", data, *COMMON[2:], "--recipe", "quick", "--steps", 8, "--run-dir", tmp_path / "run"]
    for child in start_workers(2, command, more=["--from", alone]):
        code, log = child.end()
        assert code == 2, log
        assert "the workers were started with different settings (encoder_weights, start, start_digest)" in log


def test_a_run_that_is_done_is_done_for_all(data, alone):
    command = ["tiny", "--data", data, *COMMON, "--steps", 8, "--run-dir", alone]
    found = [child.end() for child in start_workers(2, command)]
    assert [code for code, _ in found] == [0, 0], found
    assert all("done already" in log for _, log in found)


def test_batches_have_to_be_shared_out_evenly(data, tmp_path):
    command = ["tiny", "--data", data, *COMMON, "--run-dir", tmp_path / "run", "--distribute", "mirrored"]
    code, log = run_child(command, devices=4)
    assert code == 2
    assert "--batch-size 6 cannot be shared out evenly over 4 devices" in log
    assert not (tmp_path / "run").exists()


WORKERS = '{"worker": ["a:1", "b:1"]}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "which is not set"),
        ("{", "not JSON"),
        ("[]", "cluster.worker, task.type or task.index is missing"),
        ('{"cluster": {}}', "cluster.worker, task.type or task.index is missing"),
        (f'{{"cluster": {WORKERS}, "task": {{"type": "chief", "index": 0}}}}', "every task has to be a worker"),
        (f'{{"cluster": {WORKERS}, "task": {{"type": "worker", "index": 2}}}}', "has to be a number in 0 … 1, not 2"),
        (f'{{"cluster": {WORKERS}, "task": {{"type": "worker", "index": "0"}}}}', "a number in 0 … 1, not '0'"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "a list of HOST:PORT"),
        ('{"cluster": {"worker": []}, "task": {"type": "worker", "index": 0}}', "a list of HOST:PORT"),
        ('{"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}', "a list of HOST:PORT"),
        ('{"cluster": {"worker": ["a:99999"]}, "task": {"type": "worker", "index": 0}}', "a list of HOST:PORT"),
        ('{"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}', "the same address"),
    ],
)
def test_a_wrong_tf_config_is_explained(monkeypatch, text, message):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UsageError, match=message):
        read_tf_config()


def test_a_port_that_is_taken_is_named(data, tmp_path, monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        workers = [f"127.0.0.1:{port}", "127.0.0.1:1"]
        config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        words = ["residual", "--data", str(data), "--distribute", "multiworker", "--run-dir", str(tmp_path / "run")]
        assert train.main(words) == 2
        message = capsys.readouterr().err
        assert f"this worker is to listen at port {port}, of 127.0.0.1:{port}" in message
        assert "end what uses the port, or give the worker another one" in message
    check_port(workers[0])  # it is free again
    assert not (tmp_path / "run").exists()
