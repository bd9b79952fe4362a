"""Near-duplicate pages, and groups of works that share some."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from preparing import SMALL, page, prepared, rows, run, works

from zoo.data.prepared import near
from zoo.data.prepared.groups import assign, join_works
from zoo.data.prepared.near import cluster_near, drop_near, near_pairs, perceptual_hash


def test_the_hash_is_imagehash_s():
    known = ["8cb349ac7393b32c", "f1b4c4a9397cec18", "8439cc76f616b1cc"]  # by ImageHash 4.3.2
    assert [f"{perceptual_hash(np.asarray(page(seed))):016x}" for seed in range(3)] == known


def test_the_hash_bears_rescaling_and_compression_and_tells_pages_apart():
    hashes = [perceptual_hash(np.asarray(page(seed, (300, 400)))) for seed in range(20)]
    for seed, value in enumerate(hashes):
        stream = io.BytesIO()
        page(seed, (300, 400)).resize((120, 160)).save(stream, "JPEG", quality=50)
        assert (perceptual_hash(np.asarray(Image.open(stream))) ^ value).bit_count() <= 6
        assert all((other ^ value).bit_count() > 12 for other in hashes[:seed])


@pytest.mark.parametrize("distance", [0, 3, 6])
def test_near_pairs_are_those_of_a_plain_comparison(monkeypatch, distance):
    rng = np.random.default_rng(distance)
    base = rng.integers(0, 2**63, 30, np.uint64)
    flips = np.array([sum(1 << bit for bit in rng.choice(63, rng.integers(0, 8), replace=False)) for _ in range(300)])
    hashes = base[rng.integers(0, 30, 300)] ^ flips.astype(np.uint64)
    monkeypatch.setattr(near, "_COMPARED", 1000)  # several blocks
    first, pairs = near_pairs(hashes, distance)
    values = hashes.tolist()
    assert first.tolist() == [values.index(value) for value in values]
    firsts = sorted(set(first.tolist()))
    assert pairs.tolist() == [
        [i, j] for i in firsts for j in firsts if i < j and (values[i] ^ values[j]).bit_count() <= distance
    ]
    clusters = cluster_near(hashes, distance)
    for i in range(300):
        for j in range(i):
            if (values[i] ^ values[j]).bit_count() <= distance:
                assert clusters[i] == clusters[j]
    keeper = drop_near(hashes, np.zeros((300, 4), np.uint8), ["one"] * 300, clusters, distance)
    kept = [index for index in range(300) if keeper[index] == index]
    assert all((values[i] ^ values[j]).bit_count() > distance for i in kept for j in kept if i < j)
    assert all((values[index] ^ values[keeper[index]]).bit_count() <= distance for index in range(300))


def test_tens_of_thousands_of_pages_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 20_000, np.uint64)
    hashes[10_000:15_000] = hashes[0]  # blank pages
    hashes[19_999] = hashes[7] ^ np.uint64(0b10110)
    first, pairs = near_pairs(hashes, 6)
    assert set(first[10_000:15_000].tolist()) == {0}
    assert pairs.tolist() == [[7, 19_999]]


def things(folder: Path) -> None:
    """Four pictures of equal luma, so that grey they are one; the colours of the last are nearly those of the first."""
    luma = np.asarray(page(5).convert("L"), np.uint8)
    for index in range(4):
        chroma = [np.full_like(luma, value) for value in ((90, 170), (170, 90), (160, 160), (91, 170))[index]]
        colored = np.stack([luma // 2 + 64, *chroma], axis=-1)
        (folder / f"thing{index}").mkdir()
        Image.merge("YCbCr", [Image.fromarray(colored[..., c]) for c in range(3)]).convert("RGB").save(
            folder / f"thing{index}" / "thing.png"
        )


def test_a_thing_in_two_colours_is_kept_in_one_split(capsys, tmp_path):
    folder = works(tmp_path / "pages", 30, 1)
    things(folder)
    record = prepared(capsys, folder, tmp_path / "out")
    assert record["dropped"] == {"near-duplicate": 1}
    found = [row for row in rows(tmp_path / "out") if "thing" in row["source"]]
    assert len(found) == 3
    assert len({row["split"] for row in found}) == len({row["group"] for row in found}) == 1


def test_a_thing_in_two_colours_is_in_one_split_of_a_single_work(capsys, tmp_path):
    folder = tmp_path / "pages" / "work00"
    works(tmp_path / "pages", 1, 12)
    things(folder)
    for path in folder.glob("thing*/*.png"):
        path.rename(folder / f"{path.parent.name}.png")
    record = prepared(capsys, folder, tmp_path / "out")
    assert "they were split page by page" in record["notes"][0]
    assert run(capsys, "check", tmp_path / "out")[0] == 0
    assert len({row["split"] for row in rows(tmp_path / "out") if "thing" in row["source"]}) == 1


def test_nothing_but_one_thing_cannot_be_split(capsys, tmp_path):
    (tmp_path / "pages").mkdir()
    things(tmp_path / "pages")
    code, _, err = run(capsys, "prepare", tmp_path / "pages", tmp_path / "out", *SMALL)
    assert code == 2
    assert "3 of 4 pages are usable (1 near-duplicate): at least two pages in colour that do not look alike" in err


def test_another_edition_is_the_same_work():
    names = ["a"] * 20 + ["b"] * 20 + ["c"] * 20 + ["d", "e", "f"]
    clusters = list(range(63))
    clusters[20], clusters[21] = clusters[0], clusters[1]  # b shares two pages with a
    clusters[40] = clusters[2]  # c shares one: a licence
    clusters[61] = clusters[60]  # d and e are single pictures
    assert join_works(names, clusters) == ["a"] * 40 + ["c"] * 20 + ["d", "d", "f"]


def test_no_work_is_made_one_with_all_others_by_a_common_page():
    names = [f"{index:03d}" for index in range(150) for _ in range(2)]
    clusters = [0 if index % 2 == 0 else index for index in range(300)]
    assert join_works(names, clusters) == names


def test_groups_are_assigned_by_the_share_of_their_hashes():
    sizes = {f"work {index}": 1 for index in range(2000)}
    splits, notes = assign(sizes, 0.1, 0.2)
    counts = [list(splits.values()).count(split) for split in ("train", "val", "test")]
    assert not notes
    assert abs(counts[1] - 200) < 60
    assert abs(counts[2] - 400) < 80
    assert set(assign({"x": 5, "y": 1}, 0.1, 0.0)[0].values()) == {"train", "val"}
    assert set(assign(sizes, 0.1, 0.0)[0].values()) == {"train", "val"}
