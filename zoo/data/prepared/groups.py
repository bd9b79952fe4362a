"""Groups of pages that are alike, and the splits they go to: a group is never in two of them."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from zoo.data.cards import SPLITS

GROUPS = ("folder", "file", "none", "split")
"""What a work is: a folder, archive or PDF; a file, be it an image, archive or PDF; or every page by itself, which
"split" leaves in the split whose folder it is in.
"""

EDITION_SHARE = 0.1
"""Two works are one group if this share of the smaller one's pages, and two pages at least, are in both."""

COMMON = 100
"""A page that more works have is an advertisement or a licence, and no sign of another edition."""


def join_works(works: Sequence[str], clusters: Sequence[int]) -> list[str]:
    """The group of each page: its work, joined with the works it shares pages with.

    Works of a single page, such as pictures that belong to no book, are joined when they are near-duplicates.

    Args:
        works: the name of each page's work.
        clusters: the number of each page's cluster of near-duplicates.

    Returns:
        The name of each page's group, which is the first name of its works.
    """
    sizes = Counter(works)
    members = defaultdict[int, set[str]](set)
    for work, cluster in zip(works, clusters, strict=True):
        members[cluster].add(work)
    parent = {work: work for work in sizes}

    def root(work: str) -> str:
        while parent[work] != work:
            parent[work] = parent[parent[work]]
            work = parent[work]
        return work

    def join(one: str, other: str) -> None:
        first, last = sorted((root(one), root(other)))
        parent[last] = first

    shared = Counter[tuple[str, str]]()
    for among in members.values():
        single = sorted(work for work in among if sizes[work] == 1)
        books = sorted(work for work in among if sizes[work] > 1)
        for work in single:
            join(work, (books or single)[0])
        if len(books) <= COMMON:
            shared.update(combinations(books, 2))
    for (one, other), count in shared.items():
        if count >= max(2, EDITION_SHARE * min(sizes[one], sizes[other])):
            join(one, other)
    return [root(work) for work in works]


def position(name: str) -> float:
    """Where a group lies in [0, 1): the SHA-256 of its name, read as a fraction."""
    return int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32


def split_of(name: str, val: float, test: float) -> str:
    """The split of a group, whatever other groups there are: val, then test, then train, by its `position`."""
    at = position(name)
    return "val" if at < val else "test" if at < val + test else "train"


def assign(sizes: Mapping[str, int], val: float, test: float) -> tuple[dict[str, str], list[str]]:
    """Assigns groups to splits by `split_of`, and moves groups where a split would be empty.

    An empty val, then an empty test, is given the group of train that lies next to its range, but never the largest;
    an empty train is given the largest of all.

    Args:
        sizes: the number of pages of each group; two groups at least.
        val, test: the shares of the groups that should be there.

    Returns:
        The split of each group, and a sentence about each one that was moved.
    """
    splits = {name: split_of(name, val, test) for name in sorted(sizes)}
    notes = []

    def move(name: str, to: str) -> None:
        notes.append(f"{to} would have been empty: {name} ({sizes[name]} pages) went there from {splits[name]}")
        splits[name] = to

    largest = max(splits, key=lambda name: sizes[name])
    if "train" not in splits.values():
        move(largest, "train")
    for split, share in zip(SPLITS[1:], (val, test), strict=True):
        pool = [name for name in splits if splits[name] == "train"]
        pool.remove(max(pool, key=lambda name: sizes[name]))
        if split == "val" and not pool:
            pool = [name for name in splits if splits[name] == "test"]
        if share and pool and split not in splits.values():
            move(min(pool, key=position), split)
    return splits, notes
