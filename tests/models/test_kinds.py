"""What a model's card or file tells of it is what the model says when it is loaded."""

import json
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest
import tiny
from field import smallest

import zoo
from zoo.errors import UsageError
from zoo.models.contract import contract_of
from zoo.models.kinds import answers_with, trained_side, weights_digest
from zoo.models.releases import list_releases


@pytest.mark.parametrize("name", ["tiny", *zoo.list_models()])
def test_a_file_tells(light_encoders, tmp_path, name):
    model = tiny.build() if name == "tiny" else zoo.create(name, encoder_weights="none", **smallest(name))
    model.save(tmp_path / "best.keras")
    assert answers_with(tmp_path) == answers_with(tmp_path / "best.keras") == contract_of(model).answer
    assert weights_digest(tmp_path) == weights_digest(tmp_path / "best.keras")


def test_a_file_tells_whether_its_model_sees_pictures_whole(tmp_path):
    model = zoo.create("context", encoder_weights="none")
    model.save(tmp_path / "crops.keras")
    model.contract = replace(model.contract, side=384)
    model.save(tmp_path / "whole.keras")
    assert trained_side(tmp_path / "whole.keras") == 384
    assert trained_side(tmp_path / "crops.keras") == 0
    assert trained_side("context:open") == 384
    assert trained_side("hf://USER/MODEL") == 0


def test_a_release_tells():
    for card in list_releases():
        assert trained_side(f"{card.model}:{card.name}") == card.side
        assert answers_with(f"{card.model}:{card.name}") == zoo.get_card(card.model).output
        assert weights_digest(f"{card.model}:{card.name}") == card.sha256
    with pytest.raises(UsageError, match="no model at"):
        answers_with("residul")


@pytest.mark.parametrize(
    "config",
    [
        {},
        [],
        {"config": {"input_layers": [], "output_layers": []}},
        "x",
        *({"config": {"contract": c}} for c in ([3], "x")),
    ],
)
def test_what_cannot_be_told_is_left_to_keras(tmp_path, config):
    with zipfile.ZipFile(tmp_path / "x.keras", "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    assert answers_with(tmp_path / "x.keras") is None
    assert trained_side(tmp_path / "x.keras") == 0
    assert answers_with("hf://USER/MODEL") is None
    assert weights_digest("hf://USER/MODEL") is None


@pytest.mark.parametrize("name", ["conditional", "hypercolumn"])
def test_a_process_that_has_built_no_model_loads_one(tmp_path, name):
    zoo.create(name, encoder_weights="none").save(tmp_path / "best.keras")
    code = f"import zoo; assert zoo.load({str(tmp_path)!r}).name == {name!r}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
