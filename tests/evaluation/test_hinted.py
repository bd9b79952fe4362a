"""What hints buy: ways to spread them without learning, and `python -m zoo.evaluate --hints`."""

import json
from pathlib import Path

import numpy as np
import pytest
from coloring import save_linear
from images import make_books

from zoo import evaluate
from zoo.chroma.yuv import compose, rgb_to_yuv, split_luma, to_uint8
from zoo.errors import UsageError
from zoo.evaluation import hinted
from zoo.evaluation.candidates import Subject
from zoo.evaluation.hinted import HintEvaluation, bleeding, hint_of, parse_counts, plot
from zoo.evaluation.propagation import BASELINES
from zoo.evaluation.tables import hints_table
from zoo.pages.asking import questions
from zoo.pages.colorizer import Colorizer

RED, BLUE = np.array([-0.1, 0.3]), np.array([0.3, -0.1])


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[str]:
    folder = tmp_path_factory.mktemp("models")
    factors = {"one": 0.2, "two": -0.3}
    return [str(save_linear(folder / f"{name}.keras", (f, -0.1), (-f, 0.1))) for name, f in factors.items()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Coloured images, four of them in two books of the test split."""
    return make_books(tmp_path_factory.mktemp("images"), train=2, val=2, test=4)


# Counts.


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("0", [0]),
        ("0,1, 5 ,10", [0, 1, 5, 10]),
        ("100", [100]),
        ("5,0,5", [5, 0]),
        ("class,object,0,class", ["class", "object", 0]),
    ],
)
def test_counts(text, counts):
    assert parse_counts(text) == counts


@pytest.mark.parametrize("text", ["", "1,", "101", "-1", "1.5", "ten", "classes", "0;1", "1e1", "²", "9" * 5000])
def test_what_is_no_count(text):
    with pytest.raises(UsageError, match="give numbers up to 100, or class or object on drawn pages"):
        parse_counts(text)


# The same hints for all.


def colored(seed: int = 0, name: str = "page", size: tuple[int, int] = (40, 64), maps=None) -> Subject:
    """Even blocks of colours that are neither black nor white."""
    blocks = np.random.default_rng(seed).integers(40, 215, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    return Subject(name, name, blocks.repeat(8, 0).repeat(8, 1), maps)


def given(monkeypatch, models, subject, counts, places="random", seed=0) -> dict[str, dict[int, list]]:
    """By whoever colours, and by count, the places and colours of all hints."""
    found: dict[str, dict[int, list]] = {}
    paint = Colorizer.paint

    def painting(self, scan, uv, *, headroom=0.0, hints=()):
        found.setdefault(f"{id(self)}", {})[len(hints)] = [(h.y, h.x, *np.round(h.uv, 6)) for h in hints]
        return paint(self, scan, uv, headroom=headroom, hints=hints)

    def spreading(name, spread):
        def recorded(luma, at, colors):
            rows = [(y, x, *np.round(uv, 6)) for (y, x), uv in zip(at.tolist(), colors, strict=True)]
            found.setdefault(name, {})[len(rows)] = rows
            return spread(luma, at, colors)

        return recorded

    with monkeypatch.context() as patch:
        patch.setattr(Colorizer, "paint", painting)
        patch.setattr(hinted, "BASELINES", {name: spreading(name, each) for name, each in BASELINES.items()})
        HintEvaluation(models, counts, places, {}, seed=seed).add(subject)
    return found


@pytest.mark.parametrize("places", ["random", "together", "rank", "error"])
def test_all_get_the_same_hints_and_fewer_are_the_first_of_more(models, monkeypatch, places):
    subject = colored()
    found = given(monkeypatch, models, subject, [0, 2, 5, 12], places)
    assert len(found) == 5  # two models, three that need none
    everyone = list(found.values())
    for count in (2, 5, 12):
        assert all(each[count] == everyone[0][count] for each in everyone)
        assert len(everyone[0][count]) == count
        assert everyone[0][count] == everyone[0][12][:count]
    assert len({place[:2] for place in everyone[0][12]}) == 12
    again = given(monkeypatch, models, subject, [12], places)
    assert next(iter(again.values()))[12] == everyone[0][12]
    for y, x, *uv in everyone[0][12]:
        np.testing.assert_allclose(uv, hint_of(subject.rgb, y, x).uv, atol=1e-5)


def test_random_places_are_an_image_s_own(models, monkeypatch):
    def where(subject, seed=0):
        return [row[:2] for row in next(iter(given(monkeypatch, models[:1], subject, [9], seed=seed).values()))[9]]

    first = where(colored())
    assert where(colored(seed=1)) == first  # of the same name
    assert where(colored(name="other")) != first
    assert where(colored(), seed=1) != first
    assert all(1 <= y < 39 and 1 <= x < 63 for y, x in where(colored()))


def test_places_that_are_together(models, monkeypatch):
    def where(places):
        rows = next(iter(given(monkeypatch, models[:1], colored(), [5], places).values()))[5]
        return np.array([row[:2] for row in rows])

    alone, together = where("random"), where("together")
    assert tuple(together[0]) == tuple(alone[0])
    apart = np.linalg.norm(together - together[0], axis=-1)
    assert apart.max() < 20 < np.linalg.norm(alone - alone[0], axis=-1).max()
    assert list(apart) == sorted(apart)


def test_what_hints_do_far_away(models, monkeypatch):
    """Nothing if the page stays there; and it is what it is where it changes."""
    wide = colored(size=(40, 160))
    evaluation = HintEvaluation(models[:1], [3, 0], "together", {})
    chroma = hinted.Examined.chroma

    def left_half(self, decode, seed=0, guide=None):
        plain, found = chroma(self, decode, seed), chroma(self, decode, seed, guide)
        mask = np.arange(plain.shape[1]) < plain.shape[1] * share
        return np.where(mask[:, None], found, plain)

    monkeypatch.setattr(hinted.Examined, "chroma", left_half)
    monkeypatch.setattr(evaluation, "_numbered", lambda *_: [(20, 4), (21, 5), (22, 6)])
    share = 0.3
    evaluation.add(wide)
    share = 1.0
    evaluation.add(wide)
    same, changed = evaluation.measured["one", 3].values["far"]
    assert abs(same) < 0.05 < abs(changed)
    assert np.isnan(evaluation.measured["one", 0].values["far"]).all()
    assert np.isnan(evaluation.measured["nearest hint", 3].values["far"]).all()
    near = HintEvaluation(models[:1], [0, 40], "random", {})  # nothing is far
    near.add(colored())
    assert np.isnan(near.measured["one", 40].values["far"]).all()
    assert "far" in near.rows()[0]


def test_places_by_rank_and_by_error(models, monkeypatch):
    """By rank they are where is asked; by error where the first model is wrong."""
    subject = colored()
    luma, uv = split_luma(subject.rgb / np.float32(255))
    examined = Colorizer(models[0]).draft(luma[..., 0]).examined
    asked = [(each.y, each.x) for each in questions(examined, 6)]
    found = {
        places: [row[:2] for row in next(iter(given(monkeypatch, models, subject, [6], places).values()))[6]]
        for places in ("rank", "error")
    }
    assert found["rank"] == asked
    rgb = Colorizer(models[0])(luma[..., 0])
    error = np.linalg.norm(split_luma(rgb / np.float32(255))[1] - uv, axis=-1)
    at = [float(error[place]) for place in found["error"]]
    assert at[0] > np.quantile(error, 0.9)
    assert np.mean(at) > 1.3 * error.mean()


def test_a_hint_is_the_truth_around_its_place():
    rgb = np.random.default_rng(0).integers(0, 256, (9, 9, 3), dtype=np.uint8)
    for row, column in ((4, 4), (0, 0), (8, 3)):
        hint = hint_of(rgb, row, column)
        around = rgb[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].reshape(-1, 3)
        assert (hint.y, hint.x) == (row, column)
        np.testing.assert_allclose(hint.rgb, around.mean(axis=0), atol=0.5)


# What is measured.


def rows_of(evaluation: HintEvaluation) -> dict[tuple[str, int | str], dict]:
    return {(row["candidate"], row["hints"]): row for row in evaluation.rows()}


def test_more_hints_are_nearer_the_truth(models):
    evaluation = HintEvaluation(models, [0, 3, 40], "error", {})
    for index in range(3):
        evaluation.add(colored(index, f"{index}"))
    assert evaluation.groups == 3
    assert evaluation.bled == {}  # nobody knows where figures are
    rows = rows_of(evaluation)
    assert set(rows) == {(name, count) for name in ("one", "two", *BASELINES) for count in (0, 3, 40)} - {
        (name, 0) for name in BASELINES
    }
    for name in ("one", "two"):
        psnr = [rows[name, count]["psnr"][0] for count in (0, 3, 40)]
        assert psnr[2] > max(psnr[:2]) + 1
        assert rows[name, 40]["delta_e00"][0] < rows[name, 0]["delta_e00"][0] - 1
        assert rows[name, 0]["obeyed"] == [None, None, None]
        for count in (3, 40):
            assert rows[name, count]["obeyed"][0] == 1
            value, low, high = rows[name, count]["psnr over no hints"]
            assert low <= value <= high
            assert value == pytest.approx(rows[name, count]["psnr"][0] - rows[name, 0]["psnr"][0], abs=1e-3)
            best = max(rows[each, count]["psnr"][0] for each in BASELINES)
            over = rows[name, count]["psnr over the best without learning"]
            assert over[0] == pytest.approx(rows[name, count]["psnr"][0] - best, abs=1e-3)
            assert len(rows[name, count]["images"]["psnr"]) == 3
        assert rows[name, 0]["psnr over no hints"] is None
    for name in BASELINES:
        assert rows[name, 3]["psnr over no hints"] is None
        assert rows[name, 3]["psnr over the best without learning"] is None


class Unmoved(Colorizer):
    """It takes hints, and does nothing with them."""

    def paint(self, scan, uv, *, headroom=0.0, hints=()):
        return super().paint(scan, np.zeros_like(uv), headroom=headroom)


def test_who_does_not_obey_is_found(models, monkeypatch):
    monkeypatch.setattr(hinted, "Colorizer", Unmoved)
    evaluation = HintEvaluation(models[:1], [0, 9], "random", {})
    evaluation.add(colored())
    rows = rows_of(evaluation)
    assert rows["one", 9]["obeyed"][0] < 0.5
    assert rows["one", 9]["psnr"] == rows["one", 0]["psnr"]
    assert rows["nearest hint", 9]["obeyed"][0] > 0.9


def test_metrics_of_an_image(models):
    """As they are written down: RGB in decibels, ink where luma is low."""
    subject = colored()
    subject.rgb[:, 30:32] = 5
    evaluation = HintEvaluation(models[:1], [0], "random", {})
    evaluation.add(subject)
    row = rows_of(evaluation)["one", 0]
    rgb = (Colorizer(models[0])(split_luma(subject.rgb / np.float32(255))[0][..., 0])).astype(float)
    error = ((rgb - subject.rgb) ** 2).mean()
    assert row["psnr"][0] == pytest.approx(10 * np.log10(255**2 / error), abs=0.05)
    assert row["psnr"][1:] == [None, None]  # of one image no interval
    assert row["near_ink"][0] is not None
    assert row["near_ink"][0] != row["delta_e00"][0]


# Drawn pages.


def figures() -> Subject:
    """A page of four figures of three classes on a ground."""
    classes, objects = np.zeros((64, 96), np.uint8), np.zeros((64, 96), np.int32)
    for identity, (label, rows, columns) in enumerate(
        (
            (1, slice(4, 30), slice(4, 40)),
            (1, slice(4, 24), slice(44, 60)),
            (2, slice(34, 60), slice(4, 50)),
            (3, slice(34, 60), slice(54, 92)),
        ),
        start=1,
    ):
        classes[rows, columns], objects[rows, columns] = label, identity
    tones = np.array([0.9, 0.5, 0.4, 0.6])[classes]
    uv = np.array([[0, 0], [-0.05, 0.08], [0.05, -0.02], [-0.06, -0.05]])[classes]
    rgb = to_uint8(compose(tones[..., None], uv)[0])
    return Subject("figures", "figures", rgb, (classes, objects, np.zeros_like(classes)))


PALETTE = {label: np.array([[-0.05, 0.08], [0.05, -0.02]]) for label in (1, 2, 3)}


@pytest.mark.parametrize(("word", "wanted"), [("class", [1, 3, 4]), ("object", [1, 2, 3, 4])])
def test_a_hint_for_each_thing(models, monkeypatch, word, wanted):
    subject = figures()
    found = given(monkeypatch, models[:1], subject, [word])
    hints = found["Levin 2004"][len(wanted)]
    assert [int(subject.maps[1][y, x]) for y, x, *_ in hints] == wanted  # of a class the largest
    for y, x, *uv in hints:
        inside = subject.maps[1][y - 5 : y + 6, x - 5 : x + 6]
        assert (inside == inside[5, 5]).all()  # far from its edge
        np.testing.assert_allclose(uv, rgb_to_yuv(subject.rgb[y, x] / 255)[1:], atol=1e-5)


def test_pages_without_things_have_no_hints(models):
    """One of two pages has no object: all that is counted by image is still comparable."""
    empty = np.zeros((40, 64), np.uint8)
    evaluation = HintEvaluation(models[:1], [0, "object"], "random", PALETTE)
    evaluation.add(colored(0, "empty", maps=(empty, empty.astype(np.int32), empty)))
    evaluation.add(figures())
    rows = rows_of(evaluation)
    assert rows["one", "object"]["psnr over no hints"][0] > 0
    assert rows["one", "object"]["obeyed"][0] == 1


def test_drawn_pages_have_indices_of_averaging_too(models):
    evaluation = HintEvaluation(models[:1], [0, "object"], "random", PALETTE)
    evaluation.add(figures())
    row = rows_of(evaluation)["one", "object"]
    assert {"a_star", "bvr"} <= set(row)
    assert row["psnr over no hints"][0] > 3
    bled, looked = evaluation.bled["one"]
    assert 0 <= bled <= looked
    assert looked > 500


# Bleeding.


def spread_over(subject: Subject, where: np.ndarray):
    """Colours what is there by the hint."""
    luma = split_luma(subject.rgb / 255)[0]

    def color(hints):
        (hint,) = hints
        region = where(hint)
        hinted = to_uint8(compose(luma, np.broadcast_to(hint.uv, (*region.shape, 2)))[0])
        return np.where(region[..., None], hinted, subject.rgb)

    return color


def test_bleeding_is_counted():
    subject = figures()
    classes, objects = subject.maps[:2]
    everywhere = bleeding(subject, subject.rgb, spread_over(subject, lambda hint: np.ones(classes.shape, bool)), 9)
    own = bleeding(subject, subject.rgb, spread_over(subject, lambda hint: objects == objects[hint.y, hint.x]), 9)
    alike = bleeding(subject, subject.rgb, spread_over(subject, lambda hint: classes == classes[hint.y, hint.x]), 9)
    half = bleeding(
        subject,
        subject.rgb,
        spread_over(subject, lambda hint: np.arange(96)[None].repeat(64, 0) % 2 == 0),
        9,
    )
    bled, looked = everywhere
    assert looked > 500
    assert own == (0, looked)
    assert alike == (0, looked)  # of one class they may
    assert bled > 0.9 * looked
    assert 0.35 * looked < half[0] < 0.6 * looked
    assert half[1] == looked
    assert bleeding(subject, subject.rgb, spread_over(subject, lambda hint: classes < 0), 9) == (0, looked)


def test_bleeding_is_of_so_many_figures_at_most():
    subject, calls = figures(), []

    def color(hints):
        calls.append(hints)
        return subject.rgb

    _, all_of_them = bleeding(subject, subject.rgb, color, 9)
    assert len(calls) == 4
    assert all(len(hints) == 1 for hints in calls)
    identities = [int(subject.maps[1][hint.y, hint.x]) for (hint,) in calls]
    assert sorted(identities) == [1, 2, 3, 4]
    for (hint,) in calls:  # another colour than its own
        assert np.linalg.norm(hint.uv - rgb_to_yuv(subject.rgb[hint.y, hint.x] / 255)[1:]) > 0.03
    calls.clear()
    _, fewer = bleeding(subject, subject.rgb, color, 2)
    assert [int(subject.maps[1][hint.y, hint.x]) for (hint,) in calls] == identities[:2]
    assert 0 < fewer < all_of_them


def test_a_figure_by_itself_has_no_neighbours():
    subject = figures()
    classes, objects, modes = (each.copy() for each in subject.maps)
    objects[objects > 1] = 0
    alone = Subject("alone", "alone", subject.rgb, (classes, objects, modes))
    assert bleeding(alone, alone.rgb, lambda hints: alone.rgb, 9) == (0, 0)


# The command.


@pytest.fixture(scope="module")
def written(models, folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "new"
    command = [*models, "--data", str(folder), "--hints", "0,2", "--max-side", "64", "--out", str(out)]
    assert evaluate.main(command) == 0
    return out


def test_the_command_writes_rows(written):
    assert {path.name for path in written.iterdir()} == {"hints.json", "hints.png"}
    held = json.loads((written / "hints.json").read_text())
    assert held["places"] == "random"
    assert held["split"] == "test"
    assert held["groups"] == 2
    assert held["environment"]["libraries"]["keras"]
    rows = {(row["candidate"], row["hints"]): row for row in held["rows"]}
    assert set(rows) == {("one", 0), ("two", 0)} | {(name, 2) for name in ("one", "two", *BASELINES)}
    for name in ("one", "two"):
        row = rows[name, 2]
        assert row["obeyed"][0] == 1
        for key in ("psnr over no hints", "psnr over the best without learning"):
            value, low, high = row[key]
            assert low <= value <= high
        paired = np.subtract(row["images"]["psnr"], rows[name, 0]["images"]["psnr"])
        assert row["psnr over no hints"][0] == pytest.approx(paired.mean(), abs=1e-3)
        assert len(row["images"]["psnr"]) == 4


def test_the_command_gives_the_same_again(written, models, folder, capsys):
    command = [models[1], "--data", str(folder), "--hints", "2,0", "--max-side", "64", "--json"]
    assert evaluate.main(command) == 0
    found = json.loads(capsys.readouterr().out)
    before = json.loads((written / "hints.json").read_text())
    rows = {(row["candidate"], row["hints"]): row for row in before["rows"]}
    for row in found["rows"]:
        assert row["images"] == rows[row["candidate"], row["hints"]]["images"]
    assert found["fingerprint"] == before["fingerprint"]


@pytest.mark.parametrize("places", ["rank", "error", "oracle"])  # the last is the older name
def test_the_command_prints_a_table(models, folder, capsys, places):
    command = [models[0], "--data", str(folder), "--hints", "0,2", "--places", places, "--limit", "2"]
    assert evaluate.main([*command, "--max-side", "64"]) == 0
    output = capsys.readouterr().out
    assert "2 images of" in output
    for text in ("one, 0", "one, 2", "nearest hint, 2", "place and luma, 2", "Levin 2004, 2", "obeyed"):
        assert text in output
    assert "nearest hint, 0" not in output


def test_a_table_of_rows():
    def row(candidate: str, **values) -> dict:
        found = {"candidate": candidate, "hints": 5, "psnr": [20.0, 19.0, 21.0], "delta_e00": [7.25, None, None]}
        found |= {"near_ink": [None, None, None], "obeyed": [1.0, 1.0, 1.0]}
        return found | {"psnr over no hints": None, "psnr over the best without learning": None} | values

    near = {"near_ink": [3.0, None, None]}
    rows = [row("one", **{"psnr over no hints": [1.5, 1.0, 2.0]}), row("other", a_star=0.5, bvr=None, **near)]
    table = hints_table(rows, 3, "pages")
    first, second = ([cell.text for cell in line.cells] for line in table.lines)
    assert first[:6] == ["one, 5", "20.00 [19.00, 21.00]", "7.25", "", "1.0000 [1.0000, 1.0000]", "1.50 [1.00, 2.00]"]
    assert second[5:7] == ["", ""]
    assert len(first) == len(second) == len(table.columns) == 9
    assert "3 images of pages" in table.caption
    # What nobody has a value of has no column; what some have has.
    assert len(hints_table(rows[:1], 3, "pages").columns) == 6
    far = hints_table([*rows, row("third", far=[-0.5, -1.0, 0.25])], 3, "pages")
    assert [cell.text for cell in far.lines[2].cells][5] == "-0.50 [-1.00, 0.25]"
    assert far.lines[0].cells[5].text == ""


def test_curves(tmp_path):
    rows = [
        {"candidate": name, "hints": count, "psnr": [20.0, None, None], "delta_e00": [5.0, None, None]}
        for name in ("one", "nearest hint")
        for count in (1, 5, "class")
    ]
    plot(rows, tmp_path / "x.png", "a title")
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{one}", "--hints", "class"], "--hints class: of "),
        (["{one}", "--hints", "0,object"], "nobody knows where its objects are; give numbers"),
        (["{one}", "--hints", "0,some"], "--hints 'some': give numbers up to 100"),
        (["{one}", "--hints", ""], "--hints '': give numbers"),
        (["{one}", "--places", "rank"], "--places rank needs --hints: give both"),
        (["{one}", "--hints", "1", "--gallery", "g"], "--gallery and --hints do not go together"),
        (["sampler", "--hints", "1"], "sampler takes no hints: give models"),
        (["{one}", "grey", "--hints", "1"], "grey takes no hints: give models"),
        (["truth", "--hints", "1"], "truth takes no hints: give models"),
        (["nearest hint", "--hints", "1"], "'nearest hint'"),
        (["--hints", "1"], "--hints: give the models that are to take them"),
        (["{one}", "{one}", "--hints", "1"], "two of the models have one name: rename one"),
        (["nowhere", "--hints", "1"], "no run directory, .keras file or model 'nowhere'"),
        (["{one}", "--hints", "1", "--decode", "mode"], "--decode mode"),
    ],
)
def test_bad_input_is_named(models, folder, capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    words = [word.format(one=models[0]) for word in arguments]
    assert evaluate.main([*words, "--data", str(folder)]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert list(tmp_path.iterdir()) == []
