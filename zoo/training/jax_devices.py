"""Where a run computes on JAX: on its first device, or on all of this machine's, which share every batch."""

from dataclasses import dataclass
from typing import Any

from zoo.training.devices import Devices


@dataclass(frozen=True)
class JaxDevices(Devices):
    """What a run on JAX computes on; one process alone.

    Attributes:
        strategy: TensorFlow's default one: TensorFlow reads the images, and no more.
        devices: JAX's.
    """

    devices: tuple[Any, ...] = ()

    @property
    def replicas(self) -> int:
        """Devices that share a batch."""
        return len(self.devices)

    def shardings(self) -> tuple[Any, Any]:
        """How arrays lie on the devices: each whole on every one, and shared out along their first axis."""
        import jax
        import numpy as np
        from jax.sharding import NamedSharding, PartitionSpec

        mesh = jax.sharding.Mesh(np.array(self.devices), ("batch",))
        return NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec("batch"))


def open_jax_devices(distribute: str | None) -> JaxDevices:
    """The devices of a run on JAX.

    Args:
        distribute: None for the first device, `mirrored` for all that JAX lists.
    """
    import jax
    import tensorflow as tf

    devices = jax.devices() if distribute == "mirrored" else jax.devices()[:1]
    return JaxDevices(tf.distribute.get_strategy(), devices=tuple(devices))
