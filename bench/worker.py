"""One process, one thing to measure: `python bench/worker.py '{"work": "training_step", ...}'`.

It builds the work, calls it once, and says so in a line of JSON; then each line it is given is an order, and each is
answered by a line: `call N` calls N times and answers with the seconds, `memory N` calls N times and answers with what
that took; `operations 0` answers with the multiplications and additions of a call, `profile N` with the seconds a call
by kind of operation, `held_at_peak N` with the bytes by kind when a call holds most, and `parts 0` with what the call
itself says that its parts took. Several workers wait at once, so that a test can give two things their turns in one
run, and no two measured things share an allocator, a thread pool or a cache of compiled code.
"""

import contextlib
import gc
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # workers that wait share a GPU


def main() -> None:
    spec = json.loads(sys.argv[1])
    if "onednn" in spec:
        os.environ["TF_ENABLE_ONEDNN_OPTS"] = str(int(spec.pop("onednn")))
    if "backend" in spec:
        os.environ["KERAS_BACKEND"] = spec.pop("backend")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to standard error

    def answer(**values: Any) -> None:
        print(json.dumps(values), file=answers, flush=True)

    if spec["work"].startswith("torch"):
        import peers

        call, about = peers.build(spec)
        allocator = None
    else:
        import works

        call, about = works.build(spec)
        allocator = works.allocator
    gc.collect()
    held = allocator(reset=True) if allocator else None
    before, before_rss = held and held["current"], resident()
    reset_peak_resident()
    operations = about.pop("operations")
    began = time.perf_counter()
    call()
    answer(first_call_seconds=time.perf_counter() - began, **about)
    for line in sys.stdin:
        order, count = line.split()
        if order == "operations":
            answer(operations=operations())
            continue
        if order == "profile":
            answer(seconds=works.profile(call, int(count)))
            continue
        if order == "parts":
            answer(seconds=call())
            continue
        if order == "held_at_peak":
            answer(bytes=works.held_at_peak(call, int(count)))
            continue
        began = time.perf_counter()
        for _ in range(int(count)):
            call()
        seconds = time.perf_counter() - began
        if order == "call":
            answer(seconds=seconds)
            continue
        most = allocator(reset=False) if allocator else None
        peak, peak_rss = most and most["peak"], peak_resident()
        answer(
            held_memory=before,
            working_memory=None if peak is None or before is None else peak - before,
            rss_growth=None if peak_rss is None or before_rss is None else peak_rss - before_rss,
        )


def _status(field: str) -> int | None:
    """A size of /proc/self/status in bytes; None where there is none."""
    try:
        found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None


def resident() -> int | None:
    return _status("VmRSS")


def peak_resident() -> int | None:
    return _status("VmHWM")


def reset_peak_resident() -> None:
    with contextlib.suppress(OSError):  # not Linux: peak_resident() answers None there
        Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
