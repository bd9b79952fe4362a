"""Data sets of TensorFlow Datasets: a small one that is made here stands for those of its catalogue."""

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zoo.data import __main__ as command
from zoo.data.dataset import open_dataset
from zoo.data.fetched import tfds as ours
from zoo.errors import RunError, UsageError

SPLITS = {"train": range(12), "validation": range(20, 23), "test": [30, 31, 32, 5], "extra": range(40, 43)}
"""The seeds of each split's pictures; one is in train and in test."""


def picture(seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((48, 64), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def tfds() -> Any:
    import tensorflow_datasets

    return tensorflow_datasets


@pytest.fixture(scope="module")
def builders(tfds: Any) -> type:
    """Registers `zoo_pictures`, with a configuration of train alone, and `zoo_masks`, without colour."""

    def no_network(*arguments: object) -> None:
        raise ConnectionError("Failed to resolve 'example.org'\nand more")

    class ZooPictures(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.2.0")
        BUILDER_CONFIGS = tuple(
            tfds.core.BuilderConfig(name=name, description=name) for name in ("all", "train", "offline")
        )
        made: tuple[str, ...] = ()

        def _info(self) -> Any:
            features = {
                "mask": tfds.features.Image(shape=(None, None, 1)),
                "picture": tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
                "label": tfds.features.ClassLabel(num_classes=50),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                homepage="https://example.org/pictures",
                citation="@misc{pictures}",
                license="CC0 1.0\nno rights reserved",
            )

        def _split_generators(self, manager: Any) -> dict[str, Any]:
            if self.builder_config.name == "offline":
                no_network()
            ZooPictures.made += (self.builder_config.name,)
            names = SPLITS if self.builder_config.name == "all" else ["train"]
            return {name: self._generate_examples(SPLITS[name]) for name in names}

        def _generate_examples(self, seeds: Any) -> Iterator[tuple[int, dict[str, Any]]]:
            for seed in seeds:
                mask = np.zeros((64, 48, 1), np.uint8)
                yield seed, {"mask": mask, "picture": picture(seed), "label": seed}

    class ZooMasks(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {"mask": tfds.features.Image(shape=(8, 8, 1)), "label": tfds.features.ClassLabel(num_classes=2)}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, manager: Any) -> dict[str, Any]:
            raise AssertionError

        def _generate_examples(self) -> None:
            raise AssertionError

    return ZooPictures


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tfds")


@pytest.fixture
def run(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    tfds: Any,
    builders: type,
    tfds_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(ours.FOLDER_VARIABLE, str(tfds_folder))

    def call(*arguments: object) -> tuple[int, str, str]:
        code = command.main([str(each) for each in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def rows(pages: Path) -> list[dict[str, str]]:
    with open(pages / "manifest.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.needs("tensorflow_datasets")
def test_its_splits_are_kept(run, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"tfds:zoo_pictures is not downloaded yet: python -m zoo.data get tfds:zoo_p"):
        open_dataset("tfds:zoo_pictures", crop=32)
    code, out, err = run("get", "tfds:zoo_pictures", "--json")
    assert code == 0, err
    assert "zoo_pictures/all/1.2.0: Unknown size to download, " in err
    assert "Licence: CC0 1.0 no rights reserved. From https://example.org/pictures\n@misc{pictures}\n" in err
    assert "train on them with --data tfds:zoo_pictures" in err
    record = json.loads(out)
    pages = tmp_path / "cache" / "tfds-zoo_pictures" / "pages"
    assert record["path"] == str(pages)
    # Of the picture that is there twice, the one of test stays; "extra" is no split.
    assert record["found"] == 19
    assert record["dropped"] == {"near-duplicate": 1}
    assert record["pages"] == record["groups"] == {"train": 11, "val": 3, "test": 4}
    found = rows(pages)
    folder = "zoo_pictures-all-1.2.0"
    assert {row["source"].split("-00")[0] for row in found if row["split"] == "val"} == {f"{folder}/val/validation"}
    assert {row["licence"] for row in found} == {"CC0 1.0 no rights reserved"}
    assert {(row["width"], row["height"]) for row in found} == {("48", "64")}
    assert not (pages.parent / folder).exists()
    assert run("check", pages)[0] == 0
    # TFDS is needed no more.
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    dataset = open_dataset("tfds:zoo_pictures", crop=32)
    assert {name: len(split.images) for name, split in dataset.splits.items()} == record["pages"]
    assert run("get", "tfds:zoo_pictures")[0] == 0


@pytest.mark.needs("tensorflow_datasets")
def test_without_splits_the_hash_decides(run, tmp_path):
    code, out, err = run("get", "tfds:zoo_pictures/train:1.2.0", "--to", tmp_path / "mine", "--json")
    assert code == 0, err
    assert f"--data {tmp_path / 'mine' / 'pages'}" in err
    record = json.loads(out)
    assert sum(record["pages"].values()) == 12
    assert min(record["pages"].values()) > 0
    assert record["settings"]["group"] == "file"
    assert not (tmp_path / "cache").exists()


@pytest.mark.needs("tensorflow_datasets")
def test_what_was_stopped_goes_on(run, tmp_path, builders, monkeypatch):
    written: list[Path] = []
    original = ours.atomic_path

    def stopping(path: Path) -> Any:
        written.append(path)
        if len(written) == 8:
            raise KeyboardInterrupt
        return original(path)

    monkeypatch.setattr(ours, "atomic_path", stopping)
    assert run("get", "tfds:zoo_pictures/all")[0] == 130
    code, out, err = run("get", "tfds:zoo_pictures/all", "--json")
    assert code == 0, err
    assert json.loads(out)["found"] == 19
    assert len(written) == 19 + 1
    assert builders.made.count("all") == 1  # nor did TFDS begin anew


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tfds:zoo_picture", "has no data set 'zoo_picture'; did you mean tfds:zoo_pictures"),
        ("tfds:qqqqqqqqqq", "has no data set 'qqqqqqqqqq'; its catalogue lists them"),
        ("tfds:zoo_pictures/none", "cannot open tfds:zoo_pictures/none: ValueError: "),
        ("tfds:zoo_pictures:9.9.9", "cannot open tfds:zoo_pictures:9.9.9: AssertionError: "),
        ("tfds:zoo_masks", "zoo_masks/1.0.0 has no colour images: its features are mask, label"),
        (
            "tfds:zoo_pictures/offline",
            "could not get tfds:zoo_pictures/offline: ConnectionError: Failed to resolve 'example.org' and more",
        ),
    ],
)
@pytest.mark.needs("tensorflow_datasets")
def test_what_cannot_be_got(run, tmp_path, name, message):
    code, out, err = run("get", name)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "cache").exists()


@pytest.mark.needs("tensorflow_datasets")
def test_a_damaged_folder_of_tfds(run, tmp_path, tfds, monkeypatch):
    monkeypatch.setenv(ours.FOLDER_VARIABLE, str(tmp_path / "tfds"))
    assert run("get", "tfds:zoo_pictures/train", "--to", tmp_path / "one")[0] == 0
    (record,) = (tmp_path / "tfds").rglob("*.tfrecord*")
    record.write_bytes(record.read_bytes()[:-1000])
    with pytest.raises(RunError, match=r"train.1\.2\.0 is damaged: DataLossError"):
        ours.get_tfds("tfds:zoo_pictures/train")


@pytest.mark.parametrize("name", ["tfds:", "tfds:../x", "tfds:a b", "tfds:huggingface:x", "tfds:x/../y", "tfds:X"])
def test_names_that_are_none(capsys, name):
    with pytest.raises(UsageError, match="is no name of a data set: it is tfds:NAME"):
        open_dataset(name, crop=32)
    assert command.main(["get", name, "--to", "there"]) == 2
    assert "is no name of a data set" in capsys.readouterr().err


def test_without_tfds(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZATION_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert command.main(["get", "tfds:oxford_flowers102"]) == 2
    assert "pip install 'keras-colorization-zoo[tfds]'" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()
