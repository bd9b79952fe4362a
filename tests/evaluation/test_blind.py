"""Pairs for a blind judge: whose colours are where is in the key alone, and the count goes by the key."""

import json

import blind
import numpy as np
import pytest
from coloring import save_models
from images import make_images
from PIL import Image

from zoo.evaluation.pictures import GAP


def test_pairs_are_shuffled_and_counted_by_the_key(capsys, tmp_path):
    models = save_models(tmp_path)
    make_images(tmp_path / "data", train=9, val=6)
    (tmp_path / "data" / "train").rename(tmp_path / "data" / "test")
    make_images(tmp_path / "more", train=2, val=1)
    (tmp_path / "more" / "train").rename(tmp_path / "data" / "train")
    for image in (tmp_path / "data" / "test").iterdir():  # none is in two splits
        Image.open(image).rotate(180).save(image)
    first, second = str(models["tiny"]), str(models["classifier"])
    command = ["sheet", first, second, "--data", str(tmp_path / "data"), "--pages", "6", "-o", str(tmp_path / "pairs")]
    assert blind.main(command) == 0
    key = json.loads((tmp_path / "pairs" / "key.json").read_text())["pages"]
    assert len(key) == 6
    assert {page["left"] for page in key} == {first, second}
    assert all({page["left"], page["right"]} == {first, second} for page in key)
    for page in key:
        with Image.open(tmp_path / "pairs" / f"{page['page']}.webp") as pair:
            width = (pair.width - GAP) // 3
            grey, left, right = (np.asarray(pair)[:, GAP + i * width : (i + 1) * width] for i in range(3))
        assert np.abs(left.astype(int) - right).mean() > np.abs(grey.astype(int) - grey).mean()
    assert blind.main(command) == 2  # it is there already
    lines = [f"{page['page']},{'left' if page['left'] == second else 'right'}" for page in key]
    (tmp_path / "verdicts.csv").write_text("\n".join([*lines[:-1], f"{key[-1]['page']},neither"]))
    capsys.readouterr()
    assert blind.main(["count", str(tmp_path / "pairs"), str(tmp_path / "verdicts.csv")]) == 0
    out = capsys.readouterr().out
    assert f"{second}: 5 of 6" in out
    assert f"{first}: 0 of 6" in out
    assert "neither: 1 of 6; a coin would be as clear with a chance of 0.062" in out


@pytest.mark.parametrize(("lines", "message"), [("01,left", "no verdict on 02"), ("01,up\n02,left", "line 1")])
def test_verdicts_have_to_be_whole(capsys, tmp_path, lines, message):
    (tmp_path / "key.json").write_text(
        json.dumps({"pages": [{"page": each, "left": "a", "right": "b"} for each in ("01", "02")]})
    )
    (tmp_path / "verdicts.csv").write_text(lines)
    assert blind.main(["count", str(tmp_path), str(tmp_path / "verdicts.csv")]) == 2
    assert message in capsys.readouterr().err
