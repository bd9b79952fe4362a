"""Comic pages as sketches: panels, each a scene of things placed by dice. No colour is known here."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from zoo.data.drawn import props
from zoo.data.drawn.canvas import LIGHT, SHADOW, Canvas, Dice, Point, Sketch, Thing, box, ellipse

WIDTH, HEIGHT = 512, 768
SCALE = 2  # a sketch has this many pixels a page pixel along each axis
MARGIN, GUTTER = 28, 20  # in pixels of the sketch, as everything below
SHEET_ROWS, SHEET_COLUMNS = 4, 3

# Panels a row, rows from the top.
_LAYOUTS = ((2, 2), (1, 2, 1), (1, 2, 2), (2, 1, 2), (2, 2, 1), (2, 2, 2), (1, 3, 2), (2, 3, 2), (3, 1, 2), (2, 1, 3))

Prop = Callable[[Canvas, float, float, float], Point | None]


def sketch_page(dice: Dice) -> Sketch:
    """A page of four to seven panels, drawn at `SCALE` times its resolution."""
    sketch = Sketch(WIDTH * SCALE, HEIGHT * SCALE)
    layout = dice.pick(_LAYOUTS)
    tops = _cuts(dice, MARGIN, HEIGHT * SCALE - MARGIN, len(layout))
    for (top, bottom), columns in zip(tops, layout, strict=True):
        lean = dice.pick((0, 0, 18, -18))
        spans = _cuts(dice, MARGIN, WIDTH * SCALE - MARGIN, columns)
        for column, (left, right) in enumerate(spans):
            lean_left, lean_right = lean * (column > 0), lean * (column < columns - 1)
            frame = [
                (left + lean_left, top),
                (right + lean_right, top),
                (right - lean_right, bottom),
                (left - lean_left, bottom),
            ]
            _panel(sketch, frame, dice)
    return sketch


def sketch_sheet(dice: Dice) -> Sketch:
    """A sheet of things that stand alone on paper, twelve in a grid: nothing around them tells what they are."""
    sketch = Sketch(WIDTH * SCALE, HEIGHT * SCALE)
    places = [(row, column) for row in range(SHEET_ROWS) for column in range(SHEET_COLUMNS)]
    width, height = WIDTH * SCALE // SHEET_COLUMNS, HEIGHT * SCALE // SHEET_ROWS
    for prop in _ISOLATED:
        row, column = places.pop(dice.below(len(places)))
        canvas = Canvas(sketch, width, height, dice)
        size = canvas.unit * _SHEET_SIZES.get(prop, 0.8) * dice.between(0.8, 1.05)
        prop(canvas, width * dice.between(0.46, 0.54), height * dice.between(0.9, 0.96), size)
        sketch.image.paste(canvas.image, (column * width, row * height))
    return sketch


def _cuts(dice: Dice, start: int, end: int, parts: int) -> list[tuple[int, int]]:
    """`start` to `end` in `parts` spans of unlike lengths, a gutter between them."""
    weights = [dice.between(0.8, 1.25) for _ in range(parts)]
    unit = (end - start - GUTTER * (parts - 1)) / sum(weights)
    spans, at = [], float(start)
    for weight in weights:
        spans.append((round(at), round(at + unit * weight)))
        at += unit * weight + GUTTER
    return spans


def _panel(sketch: Sketch, frame: Sequence[tuple[int, int]], dice: Dice) -> None:
    """Draws a scene and puts the part of it inside `frame` on the page."""
    left, top = min(x for x, _ in frame), frame[0][1]
    width, height = max(x for x, _ in frame) - left, frame[2][1] - top
    corners = [(x - left, y - top) for x, y in frame]
    canvas = Canvas(sketch, width, height, dice)
    dice.pick(_SCENES)(canvas)
    canvas.outline(corners, 10)
    mask = Image.new("1", (width, height))
    ImageDraw.Draw(mask).polygon(corners, fill=1)
    sketch.image.paste(canvas.image, (left, top), mask)


def _meadow(canvas: Canvas) -> None:
    horizon = _outdoors(canvas, "grass", hills=True)
    _stage(canvas, horizon, (props.tree, props.tree, props.rock, props.rock, props.bush), people=1)


def _village(canvas: Canvas) -> None:
    horizon = _outdoors(canvas, "grass", hills=True)
    _row(canvas, horizon + canvas.height * 0.06, (props.house, props.house, props.tree), 0.5)
    front = horizon + (canvas.height - horizon) * 0.3
    _stage(canvas, front, (props.rock, props.bush, props.car, props.car), people=1)


def _street(canvas: Canvas) -> None:
    horizon = _outdoors(canvas, "grass", hills=False)
    kerb = horizon + (canvas.height - horizon) * 0.25
    _row(canvas, kerb, (props.house, props.house, props.house, props.tree), 0.62)
    road = canvas.thing("road")
    canvas.shape(box(-9, kerb, canvas.width + 9, canvas.height + 9), road.paint())
    canvas.fill(box(0, kerb + 4, canvas.width, kerb + 14), road.paint(SHADOW))
    middle, dash = (kerb + canvas.height) / 2, canvas.height * 0.16
    for step in range(int(canvas.width / dash / 1.8) + 1):
        left, right = step * dash * 1.8, step * dash * 1.8 + dash
        corners = ((left + 12, middle - 5), (right + 12, middle - 5), (right, middle + 5), (left, middle + 5))
        canvas.fill(corners, props.WHITE)
    _stage(canvas, kerb, (props.car,), people=canvas.dice.below(2))


def _beach(canvas: Canvas) -> None:
    horizon = _outdoors(canvas, "sand", hills=False)
    sea, shore = canvas.thing("sea"), horizon + (canvas.height - horizon) * 0.35
    canvas.shape(_ridge(canvas, horizon, 0, shore), sea.paint())
    for row in range(3):
        x, y = canvas.width * canvas.dice.between(0, 1), horizon + (shore - horizon) * (0.25 + 0.22 * row)
        canvas.fill(ellipse(x, y, canvas.width * 0.12, 3), sea.paint(LIGHT))
    _stage(canvas, shore, (props.rock, props.rock, props.rock, props.bush), people=1)


def _portrait(canvas: Canvas) -> None:
    horizon = _outdoors(canvas, "grass", hills=canvas.dice.chance(0.5))
    _row(canvas, horizon, (props.tree, props.house, props.rock), 0.35)
    size = canvas.unit * canvas.dice.between(1.15, 1.5)
    x = canvas.width * canvas.dice.between(0.35, 0.65)
    _say(canvas, props.person(canvas, x, canvas.height * 0.42 + size * 0.84, size))


_SCENES = (_meadow, _village, _street, _beach, _portrait)


def _outdoors(canvas: Canvas, ground: str, *, hills: bool) -> float:
    """Sky with what flies in it, hills and ground; returns the height of the horizon."""
    dice, width, height = canvas.dice, canvas.width, canvas.height
    horizon = height * dice.between(0.48, 0.62)
    sky = canvas.thing("sky")
    for step in range(4):
        canvas.fill(box(-9, horizon * step / 4, width + 9, height), sky.paint(round(LIGHT * step * 0.66) - LIGHT))
    if dice.chance(0.35):
        props.sun(canvas, width * dice.between(0.1, 0.9), height * dice.between(0.12, 0.25), height * 0.16)
    for _ in range(dice.below(3)):
        props.cloud(
            canvas,
            width * dice.between(0, 1),
            horizon * dice.between(0.15, 0.6),
            height * dice.between(0.3, 0.5),
        )
    if dice.chance(0.3):
        props.birds(canvas, width * dice.between(0.1, 0.8), horizon * dice.between(0.2, 0.7), height * 0.05)
    if hills:
        for rise in (0.2, 0.11):
            hill = canvas.thing("hill")
            canvas.shape(_ridge(canvas, horizon - height * rise, height * 0.07, height + 9), hill.paint())
    if dice.chance(0.35):
        size = canvas.unit * dice.between(0.3, 0.5)
        props.balloon(canvas, width * dice.between(0.15, 0.85), horizon * dice.between(0.55, 1.0), size)
    floor = canvas.thing(ground)
    canvas.shape(_ridge(canvas, horizon, height * 0.012, height + 9), floor.paint())
    near = height * dice.between(0.8, 0.92)
    canvas.fill(_ridge(canvas, near, height * 0.02, height + 9), floor.paint(SHADOW // 2))
    _texture(canvas, ground, floor, horizon + height * 0.03)
    for _ in range(3 + dice.below(6)):
        x, y = width * dice.between(0, 1), horizon + (height - horizon) * dice.between(0.15, 1)
        canvas.line([(x - 8, y - 9), (x - 3, y), (x, y - 13), (x + 3, y), (x + 9, y - 8)], 2)
    return horizon


def _texture(canvas: Canvas, ground: str, floor: Thing, top: float) -> None:
    """Blades on grass and grains on sand: a flat patch of either then tells what it is."""
    dice, spacing = canvas.dice, 36
    for row in range(int((canvas.height - top) / spacing) + 1):
        for column in range(int(canvas.width / spacing) + 2):
            x = (column - 0.5 * (row % 2) + dice.between(-0.25, 0.25)) * spacing
            y = top + (row + dice.between(-0.25, 0.25)) * spacing
            if ground == "grass":
                blade = [(x - 5, y), (x + dice.between(-5, 5), y - dice.between(12, 20)), (x + 5, y)]
                canvas.fill(blade, floor.paint(SHADOW if (row + column) % 3 else LIGHT))
            else:
                canvas.fill(ellipse(x, y, 4, 3), floor.paint(SHADOW))


def _ridge(canvas: Canvas, level: float, swing: float, bottom: float) -> list[Point]:
    """Everything below an uneven line near `level`, down to `bottom`."""
    steps = 10
    line = [(canvas.width * step / steps, level + canvas.dice.between(-swing, swing)) for step in range(-1, steps + 2)]
    return [*_smooth(_smooth(line)), (line[-1][0], bottom), (line[0][0], bottom)]


def _smooth(line: Sequence[Point]) -> list[Point]:
    """Corner cutting (Chaikin): a rounder line through the same ends."""
    cut = [line[0]]
    for (x0, y0), (x1, y1) in pairwise(line):
        cut += [
            (0.75 * x0 + 0.25 * x1, 0.75 * y0 + 0.25 * y1),
            (0.25 * x0 + 0.75 * x1, 0.25 * y0 + 0.75 * y1),
        ]
    return [*cut, line[-1]]


def _row(canvas: Canvas, y: float, kinds: Sequence[Prop], size: float) -> None:
    """Things of like size side by side along `y`."""
    dice, size = canvas.dice, canvas.unit * size
    count = max(1, round(canvas.width / size / 1.15))
    for place in range(count):
        x = canvas.width * (place + 0.5 + dice.between(-0.15, 0.15)) / count
        dice.pick(kinds)(canvas, x, y + size * dice.between(0, 0.08), size * dice.between(0.85, 1.15))


# How high (a car: how long) a thing in the middle distance is, as a share of the panel's unit.
_SIZES: dict[Prop, float] = {props.tree: 0.6, props.bush: 0.18, props.rock: 0.24, props.car: 0.6, props.person: 0.55}


# What stands on a sheet of isolated things: each ambiguous class more than once, and controls beside it.
_ISOLATED: tuple[Prop, ...] = (
    *(props.car, props.car, props.rock, props.rock, props.rock, props.house, props.house),
    *(props.person, props.person, props.balloon, props.balloon, props.tree),
)
_SHEET_SIZES: dict[Prop, float] = {props.rock: 0.5, props.house: 0.7}


def _stage(canvas: Canvas, top: float, kinds: Sequence[Prop], people: int) -> None:
    """Things and people on the ground below `top`, the far ones smaller and behind; somebody may talk."""
    dice, width, height = canvas.dice, canvas.width, canvas.height
    places = min(5, max(2, round(width / height * dice.between(2, 3.2))))
    cast: list[Prop] = [dice.pick(kinds) for _ in range(places)]
    for extra in range(people + (places > 3)):
        cast[(dice.below(places) + extra) % places] = props.person
    depths = [dice.between(0.05, 0.95) for _ in cast]
    mouths = []
    for place in sorted(range(places), key=depths.__getitem__):
        x = width * (place + dice.between(0.15, 0.85)) / places
        size = canvas.unit * _SIZES[cast[place]] * (0.75 + 0.5 * depths[place])
        mouth = cast[place](canvas, x, top + (height - top) * depths[place], size)
        if mouth is not None:
            mouths.append(mouth)
    if mouths and dice.chance(0.6):
        _say(canvas, dice.pick(mouths))


def _say(canvas: Canvas, mouth: Point) -> None:
    """A speech balloon above a speaker, or a caption box."""
    dice, width, height = canvas.dice, canvas.width, canvas.height
    wide, high = min(width * 0.62, height * 0.6), canvas.unit * dice.between(0.13, 0.2)
    if dice.chance(0.25):
        inset = wide / 2 + 14
        props.speech(canvas, inset if mouth[0] > width / 2 else width - inset, high / 2 + 14, wide, high, None)
        return
    x = min(max(mouth[0] + wide * dice.between(-0.5, 0.5), wide * 0.56), width - wide * 0.56)
    y = max(high * 0.5 + height * 0.05, mouth[1] - canvas.unit * 0.45)
    props.speech(canvas, x, y, wide, high, mouth)
