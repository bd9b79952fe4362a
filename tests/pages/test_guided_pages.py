"""Pages in the colours that a user gives, from Python."""

from pathlib import Path

import keras
import numpy as np
import pytest
from coloring import luma_error, page, save_models, uv_of
from hinting import RED, assert_obeyed, outlined, wanted

import zoo
from zoo.chroma.yuv import compose, split_luma
from zoo.errors import UsageError
from zoo.models.contract import Contract
from zoo.models.prediction import Predictor
from zoo.pages.colorizer import Colorizer, paint
from zoo.pages.guide import Guide, check_hints
from zoo.pages.hint import color_of, hints_of
from zoo.pages.scan import Scan


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    return save_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def networks(models) -> dict[str, keras.Model]:
    return {name: zoo.load(path) for name, path in models.items()}


class Plain(keras.Model):
    """Colours everything alike."""

    def __init__(self, uv=(0.02, 0.03), side=0):
        super().__init__()
        self.contract = Contract(side=side)
        self.uv = uv

    def call(self, luma, training=False):
        return keras.ops.concatenate([keras.ops.zeros_like(luma) + value for value in self.uv], axis=-1)


# Hints are obeyed.

HINTS = [(10, 100, RED), (149, 3, "blue"), (80, 60, "#2a6"), (0, 0, "#e9bfa6"), (159.9, 119.2, "gold"), (95, 60, RED)]


@pytest.mark.parametrize(
    ("name", "side", "along_edges"),
    [("tiny", 64, True), ("tiny", 64, False), ("tiny", 512, True), ("classifier", 64, True), ("classifier", 512, True)],
)
def test_every_hint_has_its_colour(networks, name, side, along_edges):
    """The page is larger than what the network sees, or not."""
    samples = page(120, 160) // 2 + 60
    colorizer = Colorizer(networks[name], side=side, along_edges=along_edges)
    plain, rgb = colorizer(samples), colorizer(samples, hints=HINTS)
    assert_obeyed(samples / 255, rgb, HINTS)
    assert luma_error(Scan(samples), rgb) <= 1
    with pytest.raises(AssertionError):
        assert_obeyed(samples / 255, plain, HINTS)


@pytest.mark.parametrize("kind", ["uint16", "float32", "colour"])
def test_pages_of_every_kind_obey(networks, kind):
    samples = page(120, 160) // 2 + 60
    hints = HINTS[:3]
    if kind == "colour":
        tinted = np.dstack([samples, samples, 255 - samples])
        scan = Scan(tinted, colored=True)
        there = hints_of(hints).on(scan.size)
        assert_obeyed(scan.luma(), paint(scan, np.zeros((30, 40, 2)), hints=there), hints)
        return
    luma = {"uint16": samples.astype(np.uint16) * 257, "float32": samples / np.float32(255)}[kind]
    rgb = Colorizer(networks["tiny"], side=64)(luma, hints=hints)
    assert rgb.dtype == (np.uint16 if kind == "uint16" else np.uint8)
    assert_obeyed(samples / 255, rgb / 257 if kind == "uint16" else rgb, hints)
    if kind == "uint16":  # to the last of the 16 bits, or nearly
        for x, y, color in hints:
            expected = 65535 * compose(np.array([samples[y, x] / 255]), uv_of(color))[0]
            assert np.abs(rgb[y, x] - expected).max() < 20


@pytest.mark.parametrize("apart", [2, 5, 9])
def test_hints_near_each_other_are_obeyed(apart):
    """Three colours in one even place, two of them in one cell of what the network sees."""
    samples = np.full((300, 400), 140, np.uint8)
    hints = [(200, 200, RED), (200 + apart, 200, "#00c"), (200, 200 + apart, "#2a6")]
    rgb = Colorizer(Plain(), side=64)(samples, hints=hints)
    assert_obeyed(samples / 255, rgb, hints)


@pytest.mark.parametrize("apart", [1, 2, 5, 9])
def test_around_hints_near_each_other_are_no_colours_that_nobody_gave(apart):
    """What makes the one exact does not overshoot because of the other."""
    scan = Scan(np.full((300, 400), 140, np.uint8))
    there = hints_of([(200, 200, RED), (200 + apart, 200, "#0000cc")]).on(scan.size)
    uv = split_luma(paint(scan, np.zeros((48, 64, 2)), hints=there) / 255)[1]
    given = np.stack([[0, 0], *(uv[hint.y, hint.x] for hint in there)])
    assert (uv > given.min(axis=0) - 0.06).all()
    assert (uv < given.max(axis=0) + 0.06).all()


def two_panels() -> np.ndarray:
    """A page of grey paper with two pictures side by side."""
    luma = np.full((300, 400), 215, np.uint8)
    rng = np.random.default_rng(0)
    luma[20:280, 20:190] = rng.integers(90, 160, (26, 17)).repeat(10, 0).repeat(10, 1)
    luma[20:280, 210:380] = rng.integers(90, 160, (26, 17)).repeat(10, 0).repeat(10, 1)
    return luma


def test_hints_in_panels_are_obeyed():
    luma = two_panels()
    colorizer = Colorizer(Plain(side=64))
    assert len(colorizer.pictures(Scan(luma)).panels) == 2
    hints = [(25, 25, RED), (100, 150, "blue"), (215, 275, "#2a6"), (375, 150, RED), (200, 150, "#e9bfa6")]
    assert_obeyed(luma / 255, colorizer(luma, hints=hints), hints)  # the last is in the gutter


def test_hints_are_found_in_what_the_network_sees_of_panels():
    luma = two_panels()
    frames = Colorizer(Plain(side=64)).draft(luma).examined.frames
    hints = hints_of([(25, 25, RED), (105, 155, RED), (365, 265, RED), (215, 95, RED), (200, 150, RED)]).hints
    assert [[frame.place(hint) is not None for hint in hints] for frame in frames] == [
        [True] * 5,
        [True, True, False, False, False],
        [False, False, True, True, False],
    ]
    for frame in frames[1:]:
        for hint in hints:
            if place := frame.place(hint):  # the middle of a block, of whose luma the cell there is
                assert frame.luma[place] == pytest.approx(luma[hint.y, hint.x] / 255, abs=0.02)


def test_a_hint_in_one_panel_is_followed_in_the_other():
    luma = two_panels()
    luma[20:280, 20:190], luma[20:280, 210:380] = 150, 151
    luma[100:200, 250:330] = 60  # and something else in it
    (row, column), other = (150, 100), (50, 300)
    rgb = Colorizer(Plain(side=64))(luma, hints=[(column, row, RED)])
    u, v = split_luma(rgb / 255)[1][other]
    own = split_luma(rgb / 255)[1][row, column]
    assert np.dot((u, v), own) > 0.3 * np.dot(own, own)
    apart = split_luma(rgb / 255)[1][150, 290]
    assert np.abs(apart - (0.02, 0.03)).max() < 0.03


@pytest.mark.parametrize("side", [96, 480])
def test_a_closed_line_of_ink_keeps_the_neighbour_s_colour(side):
    """What is inside of an outline takes the hint, what is outside does not: to a cell and a half from the line."""
    y, x = np.mgrid[:480, :480]
    distance = np.hypot(x - 200, y - 240)
    luma = np.full((480, 480), 200, np.uint8)
    luma[distance < 100] = 120
    luma[np.abs(distance - 100) < 5] = 10
    colorizer = Colorizer(Plain(), side=side)
    plain, rgb = colorizer(luma).astype(int), colorizer(luma, hints=[(110, 240, RED), (200, 170, RED)])
    red = wanted(luma / 255, 200, 240, RED)
    cell = 480 / side
    inside, outside = distance < 95 - 1.5 * cell, distance > 105 + 1.5 * cell
    assert np.abs(rgb[inside] - red).max() < 10
    assert np.abs(rgb - plain)[outside].max() < 10
    assert np.abs(plain[inside] - red).min() > 30
    for near, expected in ((distance < 95, red), (distance > 105, plain[0, 0])):
        assert np.abs(rgb[near] - expected).mean() < 3


def test_what_is_made_exact_stops_at_a_line():
    """However few pixels wide the line is, and however coarse the colours that are given."""
    luma = np.full((80, 120), 150, np.uint8)
    luma[:, 60:62] = 20
    there = hints_of([(57, 40, RED)]).on((80, 120))
    uv = split_luma(paint(Scan(luma), np.zeros((8, 12, 2)), hints=there) / 255)[1]
    assert np.abs(uv[:, 60:]).max() < 0.01
    assert uv[40, 59] @ uv_of(RED) > 0.5 * uv_of(RED) @ uv_of(RED)
    assert uv[40, 50] @ uv_of(RED) > 0.1 * uv_of(RED) @ uv_of(RED)
    assert np.abs(uv[:, :30]).max() < 0.01  # and it is no more than around the hint


def test_what_is_like_a_hint_s_place_follows_and_the_rest_stays():
    luma = np.full((96, 144), 230, np.uint8)
    luma[:, 40:44] = luma[:, 100:104] = 15
    luma[:, :40], luma[:, 44:100], luma[:, 104:] = 120, 200, 121
    colorizer = Colorizer(Plain())
    plain, rgb = (split_luma(colorizer(luma, hints=hints) / 255)[1] for hints in ([], [(20, 50, RED)]))
    moved = np.linalg.norm(rgb - plain, axis=-1)
    assert moved[:, 5:35].min() > 0.9 * np.linalg.norm(uv_of(RED) - plain[50, 20])
    assert moved[:, 50:95].max() < 0.1 * moved[50, 20]
    assert moved[50, 120] > 2 * moved[50, 70]


@pytest.mark.parametrize(("decode", "chooses"), [("mode", True), ("sample+coherent", True), ("annealed", False)])
def test_a_decoder_that_chooses_makes_no_colour_between(networks, decode, chooses):
    """Each pixel has the model's own colour or one that is given; where the decoder averages, colours mix."""
    samples = page(120, 160) // 2 + 60
    colorizer = Colorizer(networks["classifier"], decode=decode, side=512)
    examined = colorizer.draft(samples).examined
    guide = Guide(hints_of(HINTS[:3]).on(samples.shape))
    own, uv = examined.chroma(colorizer.decode), examined.chroma(colorizer.decode, 0, guide)
    possible = [own, *(np.broadcast_to(hint.uv, own.shape) for hint in guide.hints)]
    nearest = np.min([np.abs(uv - each).max(axis=-1) for each in possible], axis=0)
    assert (np.abs(uv - own).max(axis=-1) > 0.01).mean() > 0.01
    assert (nearest.max() < 1e-5) == chooses


# What cannot be followed.


@pytest.mark.parametrize(
    ("level", "headroom", "message"),
    [
        (0, 0.0, r"hint 2 \(#cc3333 at 3, 5\) is on black ink, where no colour fits: put it beside the line$"),
        (255, 0.0, r"is on white paper, where no colour fits: put it beside the line, or give --headroom 0.2$"),
        (0, 0.2, "is on black ink, where no colour fits: put it beside the line$"),
        (255, 0.01, "is on white paper, where no colour fits: put it beside the line$"),
    ],
)
def test_a_hint_where_no_colour_fits_is_refused(level, headroom, message):
    samples = np.full((10, 10), 128, np.uint8)
    samples[5, 3] = level
    hints = hints_of([(5, 3, RED), (3, 5, RED)]).on((10, 10))
    with pytest.raises(UsageError, match=message):
        check_hints(Scan(samples), hints, headroom)
    if not headroom:
        with pytest.raises(UsageError, match=message):
            Colorizer(Plain())(samples, hints=hints)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("color", ["white", "#888", "black"])
def test_a_grey_hint_fits_anywhere(level, color):
    samples = np.full((10, 10), level, np.uint8)
    assert check_hints(Scan(samples), hints_of([(3, 5, color)]).on((10, 10))) == []
    assert (Colorizer(Plain())(samples, hints=[(3, 5, color)])[5, 3] == level).all()


def test_headroom_makes_room_on_white_paper():
    samples = np.full((10, 10), 255, np.uint8)
    hints = hints_of([(3, 5, RED)]).on((10, 10))
    (note,) = check_hints(Scan(samples), hints, 0.2)
    assert note.startswith(f"hint 1 ({RED} at 3, 5) becomes #")
    scan = Scan(samples)
    rgb = paint(scan, np.zeros((10, 10, 2)), headroom=0.2, hints=hints)
    named = color_of(note.partition("becomes ")[2].split()[0])
    assert np.abs(rgb[5, 3].astype(int) - named).max() <= 1


def test_a_hint_that_becomes_paler_is_noted():
    samples = np.full((10, 10), 128, np.uint8)
    samples[5, 3] = 230
    scan, hints = Scan(samples), hints_of([(5, 3, RED), (3, 5, RED)]).on((10, 10))
    (note,) = check_hints(scan, hints)
    pale = wanted(samples / 255, 3, 5, RED)
    assert note == f"hint 2 ({RED} at 3, 5) becomes #{bytes(pale.tolist()).hex()} there: the page keeps its luma"
    np.testing.assert_array_equal(Colorizer(Plain())(samples, hints=hints)[5, 3], pale)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hints": [(10, 10, "#c3x")]}, "hint 1: '#c3x' is no colour"),
        ({"hints": [(10, 40, "red")]}, r"hint 1 \(#ff0000 at 10, 40\) is outside of the page, which is 56 × 40 pixels"),
        ({"hints": [(9, 9, "red"), (9, 9, "blue")]}, "contradict each other"),
        ({"palette": "grey,#777"}, "the palette is grey"),
        ({"reference": np.dstack([page()] * 3)}, "it has no colours: a reference is a coloured page of the same work"),
        ({"reference": page()}, r"reference is uint8 of shape \(40, 56\); give coloured pages as uint8 RGB"),
        ({"reference": [np.zeros((4, 4, 3))]}, "reference is float64 of shape"),
    ],
)
def test_what_cannot_be_followed_is_named(options, message):
    with pytest.raises(UsageError, match=message):
        Colorizer(Plain())(page() // 2 + 60, **options)


# References, and drafts.


@pytest.mark.parametrize("flipped", [False, True])
def test_a_reference_s_colours_are_taken_by_what_is_like_them(flipped):
    reference, luma = outlined(True), outlined(False)
    colorizer = Colorizer(Plain(uv=(0.0, 0.0)))
    page = luma[::-1, ::-1] if flipped else luma
    found, plain = (split_luma(colorizer(page, reference=each) / 255)[1] for each in (reference, None))
    if flipped:
        found = found[::-1, ::-1]
    truth = split_luma(reference / 255)[1]
    assert np.abs(plain).max() < 0.01
    for x, other in ((35, 105), (105, 35)):  # each thing takes the colour of its like, more or less
        towards = found[48, x] / np.linalg.norm(truth[48, x])
        assert np.linalg.norm(towards) > 0.1
        likeness = [towards @ truth[48, each] / np.linalg.norm(truth[48, each]) for each in (x, other)]
        assert likeness[0] > 0.95 * np.linalg.norm(towards)
        assert likeness[0] > likeness[1]
    assert np.abs(found[3, 70]).max() < 0.01  # paper stays as it is
    np.testing.assert_array_equal(colorizer(luma, reference=[reference]), colorizer(luma, reference=reference))


def test_a_hint_beats_a_reference():
    luma = outlined(False)
    hints = [(35, 48, "blue")]
    rgb = Colorizer(Plain())(luma, reference=outlined(True), hints=hints)
    assert_obeyed(luma / 255, rgb, hints)
    uv = split_luma(rgb / 255)[1]
    assert uv[48, 50] @ uv_of("blue") > 0.5 * uv[48, 35] @ uv_of("blue")


def test_a_draft_calls_the_network_once(networks, monkeypatch):
    calls = []
    run_network = Predictor.__call__

    def counted(self, *arguments):
        calls.append(1)
        return run_network(self, *arguments)

    monkeypatch.setattr(Predictor, "__call__", counted)
    luma = page(120, 160) // 2 + 60
    colorizer = Colorizer(networks["classifier"], side=64)
    draft = colorizer.draft(luma)
    assert len(calls) == 1
    first, second = draft(hints=HINTS[:2]), draft(hints=HINTS[2:4], palette="#c33,#2a6")
    again = draft(hints=HINTS[:2])
    plain = draft()
    assert len(calls) == 1
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first, colorizer(luma, hints=HINTS[:2]))
    np.testing.assert_array_equal(plain, colorizer(luma))
    assert len(calls) == 3
    assert (first != second).any()
    assert_obeyed(luma / 255, first, HINTS[:2])
    assert_obeyed(luma / 255, second, HINTS[2:4])
    draft(reference=outlined(True))
    assert len(calls) == 4  # of the reference
