"""What a run ran on: versions, devices, precision."""

import datetime
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

OPTIONAL = ("jax", "torch")
LIBRARIES = ("keras", "tensorflow", "numpy", "pillow", "scikit-image", "scipy")
CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def cpu_flags() -> list[str]:
    """Which of `CPU_FLAGS` this processor has; empty where /proc/cpuinfo does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return []
    for line in text.splitlines():
        if line.startswith("flags"):
            have = set(line.split(":", 1)[1].split())
            return [flag for flag in CPU_FLAGS if flag in have]
    return []


def cpu_name() -> str:
    """The processor's name."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """How many processors this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return os.cpu_count() or 1


def available_memory() -> int | None:
    """Bytes a process may still take without swapping; None where the system does not tell."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def keras_backend() -> str:
    """The name of Keras's backend, as Keras will choose it or has chosen it; Keras itself is not imported."""
    if "keras" in sys.modules:
        return str(sys.modules["keras"].backend.backend())
    named = os.environ.get("KERAS_BACKEND")
    if named:
        return named
    home = Path.home() if os.access(Path.home(), os.W_OK) else Path("/tmp")
    folder = Path(os.environ.get("KERAS_HOME", home / ".keras")).expanduser()
    try:
        return str(json.loads((folder / "keras.json").read_text())["backend"])
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow"


def resolve_precision(precision: str) -> str:
    """`auto` as bfloat16 where every device computes in it (Ampere and later, AMX, AVX512-BF16), else float32.

    On JAX a CPU computes in float32: a step in bfloat16 took as long there, and longer to compile.
    """
    if precision != "auto":
        return precision
    if keras_backend() == "jax":
        import jax

        return "bfloat16" if all(map(_in_bfloat16, jax.devices())) else "float32"
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capabilities = [tf.config.experimental.get_device_details(g).get("compute_capability", (0, 0)) for g in gpus]
        return "bfloat16" if all(c >= (8, 0) for c in capabilities) else "float32"
    return "bfloat16" if {"avx512_bf16", "amx_bf16"} & set(cpu_flags()) else "float32"


def _in_bfloat16(device: Any) -> bool:
    """Whether a device of JAX is made for bfloat16."""
    if device.platform == "gpu":
        return int(str(getattr(device, "compute_capability", "0")).partition(".")[0]) >= 8
    return device.platform == "tpu"


def policy_name(precision: str) -> str:
    """The Keras precision policy of a resolved precision."""
    return precision if precision == "float32" else f"mixed_{precision}"


@contextmanager
def policy(precision: str) -> Iterator[None]:
    """Inside, layers are made that compute in a resolved precision."""
    import keras

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy_name(precision))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def compute_deterministically() -> None:
    """Has training compute the same to the last bit every time, on one machine; until the process ends.

    On JAX it has to be called before JAX is imported.
    """
    if keras_backend() == "jax":
        given = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{given} --xla_gpu_deterministic_ops=true".strip()
        return
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(0)  # TensorFlow asks for it; no random operation here is without a seed of its own
    tf.config.experimental.enable_op_determinism()


def git_state() -> dict[str, Any]:
    """Commit and whether the tree differs from it; None each outside a checkout of this project."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return {"commit": None, "dirty": None}

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True, timeout=10)
        return done.stdout.strip()

    try:
        commit, dirty = git("rev-parse", "HEAD"), bool(git("status", "--porcelain"))
    except (OSError, subprocess.SubprocessError):
        return {"commit": None, "dirty": None}
    return {"commit": commit, "dirty": dirty}


def describe(precision: str) -> dict[str, Any]:
    """The environment of a run, for its directory. `precision` is the resolved one."""
    from zoo.support.version import __version__

    return {
        "zoo": __version__,
        **git_state(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: metadata.version(name) for name in LIBRARIES} | {name: _version(name) for name in OPTIONAL},
        "cpu": cpu_name(),
        "cpu_flags": cpu_flags(),
        "cores": cores(),
        "gpus": _gpus(),
        "backend": keras_backend(),
        "precision": precision,
        "jit": False,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _gpus() -> list[str]:
    """The names of the accelerators that Keras's backend sees."""
    if keras_backend() == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return [tf.config.experimental.get_device_details(gpu).get("device_name", "unknown") for gpu in gpus]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
