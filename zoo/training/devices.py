"""Where a run computes: on one device, on all of this machine's, or on several machines.

All three are strategies of `tf.distribute`, TensorFlow's default one for a single device, so that there is one step and
one loop. The global batch and the order of the data are the same everywhere; of several workers the chief alone has a
run directory.
"""

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zoo.errors import UsageError

DISTRIBUTE = ("mirrored", "multiworker")


@dataclass(frozen=True)
class Devices:
    """What a run computes on.

    Attributes:
        strategy: a `tf.distribute.Strategy`.
        workers: processes that train together.
        worker: this one's number, from 0.
    """

    strategy: Any
    workers: int = 1
    worker: int = 0

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def replicas(self) -> int:
        """Devices that share a batch."""
        return int(self.strategy.num_replicas_in_sync)

    def per_replica(self, batch_size: int) -> int:
        """The crops of a global batch that one device computes.

        Raises:
            UsageError: they cannot be shared out evenly.
        """
        if batch_size % self.replicas:
            raise UsageError(f"--batch-size {batch_size} cannot be shared out evenly over {self.replicas} devices")
        return batch_size // self.replicas

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any worker; all workers have to ask at the same step."""
        if self.workers == 1:
            return flag
        return bool(self.total(np.array(flag, np.int32)))

    def total(self, values: np.ndarray) -> np.ndarray:
        """Each worker's values, of one shape, added up in all workers."""
        return values if self.workers == 1 else self._sum([values])[0]

    def from_chief(self, values: Sequence[Any]) -> list[np.ndarray]:
        """The chief's values (float32 or integer, of the same shapes in every worker), given to all workers."""
        if self.workers == 1:
            return [np.asarray(value) for value in values]
        return self._sum([value if self.chief else np.zeros_like(value) for value in values])

    def _sum(self, values: Sequence[Any]) -> list[np.ndarray]:
        """Each worker's values, added up. One replica of a worker counts."""
        arrays = [np.asarray(value) for value in values]
        # As one vector, exact for float32 and for integers below 2⁵³: a single shape is traced once.
        sent = np.concatenate([array.ravel().astype(np.float64) for array in arrays])
        found = self.strategy.experimental_local_results(self._all_reduce(sent))[0].numpy()
        parts = np.split(found, np.cumsum([array.size for array in arrays])[:-1])
        return [part.reshape(array.shape).astype(array.dtype) for part, array in zip(parts, arrays, strict=True)]

    @cached_property
    def _all_reduce(self) -> Any:
        import tensorflow as tf

        per_worker = self.replicas // self.workers

        def replica(values: Any) -> Any:
            context = tf.distribute.get_replica_context()
            first = context.replica_id_in_sync_group % per_worker == 0
            mine = tf.where(first, values, tf.zeros_like(values))
            return context.all_reduce(tf.distribute.ReduceOp.SUM, mine)

        signature = (tf.TensorSpec([None], tf.float64),)
        return tf.function(lambda values: self.strategy.run(replica, (values,)), input_signature=signature)


def open_devices(distribute: str | None) -> Devices:
    """The devices of a run; of several workers, once all of them are there.

    Has to be called before TensorFlow computes anything.

    Args:
        distribute: None for one device, `mirrored` for all of this machine's (its GPUs, or else its logical CPU
            devices), `multiworker` for those of all machines in `$TF_CONFIG`.

    Raises:
        UsageError: `$TF_CONFIG` is missing or wrong, or this worker's port is taken.
    """
    import tensorflow as tf

    if distribute == "multiworker":
        workers, worker = read_tf_config()
        check_port(workers[worker])
        # Collectives over gRPC work on every device; NCCL, which TensorFlow picks for GPUs by itself, is faster there.
        return Devices(tf.distribute.MultiWorkerMirroredStrategy(), len(workers), worker)
    if distribute == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        return Devices(tf.distribute.MirroredStrategy(names))
    return Devices(tf.distribute.get_strategy())


def read_tf_config() -> tuple[list[str], int]:
    """The addresses of the workers in `$TF_CONFIG`, and which of them this process is.

    Raises:
        UsageError: it is missing, is not JSON, or does not say so.
    """
    text = os.environ.get("TF_CONFIG")
    example = '{"cluster": {"worker": ["host-a:2222", "host-b:2222"]}, "task": {"type": "worker", "index": 0}}'
    if not text:
        raise UsageError(
            f"--distribute multiworker reads the workers from $TF_CONFIG, which is not set. It is to be {example}"
        )

    def wrong(what: str) -> UsageError:
        return UsageError(f"$TF_CONFIG: {what}: {text}\nIt is to be {example}")

    try:
        given = json.loads(text)
    except ValueError as error:
        raise wrong(f"not JSON ({error})") from None
    try:
        cluster, task = given["cluster"], given["task"]
        workers, kind, index = cluster["worker"], task["type"], task["index"]
    except (KeyError, TypeError):
        raise wrong("cluster.worker, task.type or task.index is missing") from None
    if set(cluster) != {"worker"} or kind != "worker":
        raise wrong("every task has to be a worker; the first one is the chief")
    if not isinstance(workers, list) or not workers or not all(_is_address(each) for each in workers):
        raise wrong("cluster.worker has to be a list of HOST:PORT")
    if len(set(workers)) < len(workers):
        raise wrong("two workers have the same address")
    if type(index) is not int or not 0 <= index < len(workers):
        raise wrong(f"task.index has to be a number in 0 … {len(workers) - 1}, not {index!r}")
    return workers, index


def check_port(address: str) -> None:
    """Makes sure that this worker can listen at its port: TensorFlow would end the process, or share the port.

    Args:
        address: this worker's, HOST:PORT.

    Raises:
        UsageError: the port is taken, or not for this user.
    """
    port = int(address.rpartition(":")[2])
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise UsageError(
            f"$TF_CONFIG: this worker is to listen at port {port}, of {address}: {error.strerror or error}; end what"
            " uses the port, or give the worker another one, in the $TF_CONFIG of every worker"
        ) from None


def _is_address(text: Any) -> bool:
    """Whether it is HOST:PORT."""
    if not isinstance(text, str):
        return False
    host, _, port = text.rpartition(":")
    return bool(host) and port.isascii() and port.isdigit() and 0 < int(port) < 65536
