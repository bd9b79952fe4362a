"""A fuzzer: damaged images, archives, special files, recipes, arguments and run directories.

`python tests/helpers/fuzz --subject archives --count 5000 --seed 1` feeds so many cases of a subject to the package, a
hundred in a process, whose death, time and memory are watched, and prints the counts. A case passes that succeeds or is
refused with a message. `--case N` runs one of them alone, and shows what it is and what it says.
"""

from fuzz.images import KINDS, good_files, mutants, mutate, with_right_checksums
from fuzz.runner import MEMORY_BOUND, SUBJECTS, fuzz, peak_memory

__all__ = [
    "KINDS",
    "MEMORY_BOUND",
    "SUBJECTS",
    "fuzz",
    "good_files",
    "mutants",
    "mutate",
    "peak_memory",
    "with_right_checksums",
]
