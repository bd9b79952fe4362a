"""The things on a comic page. Each function draws one, standing at (x, y) or centred there, `size` high."""

import math

from zoo.data.drawn.canvas import (
    INK,
    LIGHT,
    PAPER,
    SHADOW,
    Canvas,
    Paint,
    Point,
    Thing,
    box,
    ellipse,
    limb,
    placed,
    scaled,
)

WHITE = Paint(0, PAPER)
BLACK = Paint(0, INK)


def tree(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A round tree or a fir."""
    trunk, leaves = canvas.thing("trunk"), canvas.thing("leaves")
    half = size * canvas.dice.between(0.05, 0.07)
    if canvas.dice.chance(0.6):
        canvas.shape(
            [
                (x - half, y - size * 0.6),
                (x + half, y - size * 0.6),
                (x + 1.5 * half, y),
                (x - 1.5 * half, y),
            ],
            trunk.paint(),
        )
        rx, ry = size * canvas.dice.between(0.26, 0.36), size * 0.28
        crown = ellipse(x, y - size * 0.64, rx, ry, canvas.dice.pick((6, 7, 8, 9)), 0.22)
        canvas.solid(crown, leaves, (x - rx * 0.4, y - size * 0.76), 0.76)
        canvas.fill(ellipse(x - rx * 0.4, y - size * 0.76, rx * 0.28, ry * 0.2), leaves.paint(LIGHT))
        return
    canvas.shape(box(x - half, y - size * 0.25, x + half, y), trunk.paint(SHADOW))
    for level, width in ((0.16, 0.3), (0.4, 0.24), (0.64, 0.17)):
        base, top, half = y - size * level, y - size * (level + 0.36), size * width
        canvas.shape([(x, top), (x + half, base), (x, base + size * 0.04), (x - half, base)], leaves.paint())
        canvas.fill([(x + 2, top + 12), (x + half - 6, base - 3), (x + 4, base + size * 0.02)], leaves.paint(SHADOW))


def bush(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A low bush."""
    leaves = canvas.thing("leaves")
    crown = ellipse(x, y - size * 0.4, size * 0.7, size * 0.42, canvas.dice.pick((8, 10)), 0.25)
    canvas.solid(crown, leaves, (x - size * 0.25, y - size * 0.6), 0.74)


def house(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A house with a door, a window or two, and a gabled or hipped roof."""
    dice = canvas.dice
    wall, roof, door = canvas.thing("wall"), canvas.thing("roof"), canvas.thing("door")
    half, eaves, top = size * dice.between(0.38, 0.55), y - size * 0.54, y - size
    if dice.chance(0.6):
        at = x + half * dice.pick((-0.5, 0.5))
        canvas.shape(box(at - size * 0.05, top - size * 0.04, at + size * 0.05, eaves), wall.paint(SHADOW))
    canvas.shape(box(x - half, eaves, x + half, y), wall.paint())
    canvas.fill(box(x - half + 3, eaves, x + half - 3, eaves + size * 0.07), wall.paint(SHADOW))
    ridge, overhang = half * dice.pick((0.0, 0.45, 0.7)), half * 1.18
    canvas.fill([(x - ridge, top), (x + ridge, top), (x + overhang, eaves), (x - overhang, eaves)], roof.paint())
    canvas.fill([(x + ridge, top), (x + overhang, eaves), (x + overhang * 0.55, eaves)], roof.paint(SHADOW))
    for row in (0.35, 0.68):
        reach = ridge + (overhang - ridge) * row
        canvas.line([(x - reach, top + (eaves - top) * row), (x + reach * 0.4, top + (eaves - top) * row)], 2)
    canvas.outline([(x - ridge, top), (x + ridge, top), (x + overhang, eaves), (x - overhang, eaves)])
    side = dice.pick((-1, 1))
    at, wide = x + side * half * 0.45, size * 0.11
    canvas.shape(box(at - wide, y - size * 0.36, at + wide, y), door.paint())
    canvas.fill(box(at - wide + 4, y - size * 0.34, at - wide * 0.4, y - 3), door.paint(LIGHT))
    canvas.fill(ellipse(at + wide * 0.6, y - size * 0.17, 4, 4), BLACK)
    _window(canvas, x - side * half * 0.42, y - size * 0.27, size * 0.12)


def _window(canvas: Canvas, x: float, y: float, half: float) -> None:
    glass = canvas.thing("glass")
    canvas.shape(box(x - half - 5, y - half - 5, x + half + 5, y + half + 5), WHITE)
    canvas.shape(box(x - half, y - half, x + half, y + half), glass.paint(), 3)
    canvas.fill([(x - half + 3, y + half * 0.5), (x - half + 3, y - half + 3), (x, y - half + 3)], glass.paint(LIGHT))
    canvas.line([(x, y - half), (x, y + half)])
    canvas.line([(x - half, y), (x + half, y)])


_SALOON = (
    (0, 0.1),
    (0, 0.25),
    (0.04, 0.32),
    (0.2, 0.35),
    (0.33, 0.53),
    (0.64, 0.53),
    (0.78, 0.35),
    (0.95, 0.31),
    (1, 0.22),
    (1, 0.1),
)
_VAN = ((0, 0.1), (0, 0.5), (0.04, 0.57), (0.68, 0.57), (0.82, 0.35), (0.96, 0.31), (1, 0.22), (1, 0.1))
_SALOON_WINDOWS = (
    ((0.29, 0.36), (0.37, 0.49), (0.48, 0.49), (0.48, 0.36)),
    ((0.52, 0.36), (0.52, 0.49), (0.62, 0.49), (0.71, 0.36)),
)
_VAN_WINDOWS = (((0.56, 0.36), (0.56, 0.51), (0.66, 0.51), (0.76, 0.36)),)


def car(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A saloon or a van seen from the side, `size` long."""
    body, glass = canvas.thing("car"), canvas.thing("glass")
    mirrored, van = canvas.dice.chance(0.5), canvas.dice.chance(0.35)
    left = x + size / 2 if mirrored else x - size / 2

    def at(*points: Point) -> list[Point]:
        return placed(points, left, y, size, mirrored)

    profile = at(*(_VAN if van else _SALOON))
    canvas.fill(ellipse(x, y, size * 0.5, size * 0.03), BLACK)
    canvas.fill(profile, body.paint())
    canvas.fill(at((0, 0.1), (0, 0.17), (1, 0.17), (1, 0.1)), body.paint(SHADOW))
    canvas.fill(at((0.02, 0.29), (0.03, 0.31), (0.94, 0.29), (0.97, 0.27)), body.paint(LIGHT))
    canvas.outline(profile)
    for window in _VAN_WINDOWS if van else _SALOON_WINDOWS:
        canvas.shape(at(*window), glass.paint(), 3)
    canvas.line(at((0.5, 0.34), (0.5, 0.13)), 2)
    canvas.line(at((0.53, 0.27), (0.58, 0.27)))
    canvas.shape(at((0.95, 0.2), (0.95, 0.27), (0.985, 0.27), (1, 0.2)), WHITE, 3)
    for wheel in (0.21, 0.79):
        ((cx, cy),) = at((wheel, 0.095))
        canvas.fill(ellipse(cx, cy, size * 0.1, size * 0.1), BLACK)
        canvas.fill(ellipse(cx, cy, size * 0.045, size * 0.045), Paint(0, 190))


def rock(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A boulder of flat facets."""
    stone, dice = canvas.thing("rock"), canvas.dice
    corners: list[Point] = [(x - size * 0.75, y), (x - size * dice.between(0.68, 0.8), y - size * 0.3)]
    for angle in (145, 110, 75, 40):
        turn = math.radians(angle + dice.between(-12, 12))
        radius = size * dice.between(0.72, 0.95)
        corners.append((x + radius * math.cos(turn) * 0.8, y - radius * math.sin(turn)))
    corners += [(x + size * dice.between(0.68, 0.85), y - size * 0.25), (x + size * 0.75, y)]
    heart = (x + size * dice.between(-0.1, 0.2), y - size * dice.between(0.35, 0.5))
    canvas.fill(corners, stone.paint())
    for shade, facet in ((LIGHT, corners[1:4]), (SHADOW, corners[5:])):
        canvas.fill([heart, *facet], stone.paint(shade))
    canvas.line([heart, corners[3]], 2)
    canvas.line([heart, corners[5]], 2)
    canvas.outline(corners)


def person(canvas: Canvas, x: float, y: float, size: float) -> Point:
    """Somebody in a shirt and trousers; returns the place of the mouth."""
    dice = canvas.dice
    skin, hair, shirt, trousers = (canvas.thing(kind) for kind in ("skin", "hair", "shirt", "trousers"))

    def at(*points: Point) -> list[Point]:
        return placed(points, x, y, size)

    stride = dice.between(0.05, 0.13)
    hips: Point = (0, 0.4)
    for side in (-1, 1):
        foot = (side * stride, 0.03)
        canvas.fill(at(*ellipse(foot[0] + 0.02, 0.02, 0.06, 0.028)), BLACK)
        canvas.shape(at(*limb((side * 0.05, hips[1]), foot, 0.13, 0.09)), trousers.paint(SHADOW if side > 0 else 0))
    canvas.shape(at((-0.115, 0.36), (-0.11, 0.43), (0.11, 0.43), (0.115, 0.36), (0, 0.33)), trousers.paint())
    for side in (-1, 1):
        elbow = (side * dice.between(0.2, 0.26), dice.between(0.46, 0.54))
        hand = (side * dice.between(0.18, 0.34), elbow[1] + dice.pick((-0.1, -0.08, 0.14)))
        canvas.shape(at(*ellipse(*hand, 0.038, 0.038)), skin.paint())
        canvas.shape(at(*limb(elbow, hand, 0.085, 0.07)), shirt.paint())
        canvas.shape(at(*limb((side * 0.1, 0.665), elbow, 0.1, 0.085)), shirt.paint(SHADOW if side > 0 else 0))
    canvas.shape(at((-0.04, 0.66), (-0.04, 0.76), (0.04, 0.76), (0.04, 0.66)), skin.paint(SHADOW))
    torso = at((-0.13, 0.4), (-0.15, 0.66), (-0.06, 0.705), (0.06, 0.705), (0.15, 0.66), (0.13, 0.4))
    canvas.fill(torso, shirt.paint())
    canvas.fill(at((0.07, 0.4), (0.1, 0.68), (0.15, 0.66), (0.13, 0.4)), shirt.paint(SHADOW))
    canvas.outline(torso)
    _head(canvas, x, y - size * 0.84, size * 0.125, skin, hair)
    return x, y - size * 0.8


def _head(canvas: Canvas, x: float, y: float, radius: float, skin: Thing, hair: Thing) -> None:
    dice = canvas.dice
    long = dice.chance(0.5)
    if long:
        canvas.shape(placed(_LONG_HAIR, x, y, radius), hair.paint(SHADOW))
    canvas.solid(ellipse(x, y, radius * 0.9, radius), skin, (x - radius * 0.3, y - radius * 0.1), 0.88)
    canvas.shape(placed(_FRINGE if long else dice.pick((_CAP, _QUIFF)), x, y, radius), hair.paint())
    for side in (-0.35, 0.35):
        canvas.fill(ellipse(x + side * radius, y + radius * 0.08, radius * 0.09, radius * 0.14), BLACK)
    canvas.line(placed(((0.02, 0), (0.1, -0.25), (-0.02, -0.27)), x, y, radius), 2)
    mouth = dice.pick((((-0.3, -0.45), (-0.1, -0.56), (0.1, -0.56), (0.3, -0.45)), ((-0.2, -0.52), (0.22, -0.5))))
    canvas.line(placed(mouth, x, y, radius))


_FRINGE = (
    (-0.95, 0.0),
    (-0.9, 0.6),
    (-0.5, 1.05),
    (0, 1.18),
    (0.5, 1.05),
    (0.9, 0.6),
    (0.95, 0),
    (0.7, 0.35),
    (0.2, 0.6),
    (-0.5, 0.4),
)
_CAP = (
    (-0.95, 0.0),
    (-1.0, 0.5),
    (-0.6, 1.0),
    (0, 1.15),
    (0.6, 1.0),
    (1.0, 0.5),
    (0.95, 0.0),
    (0.75, 0.4),
    (-0.75, 0.4),
)
_QUIFF = (
    (-0.95, 0.1),
    (-0.95, 0.6),
    (-0.5, 1.1),
    (0.3, 1.35),
    (0.95, 1.05),
    (0.95, 0.1),
    (0.7, 0.5),
    (0.1, 0.45),
    (-0.6, 0.6),
)
_LONG_HAIR = (
    (-0.9, 0.8),
    (-1.15, 0.1),
    (-1.2, -1.1),
    (-0.7, -1.3),
    (0.7, -1.3),
    (1.2, -1.1),
    (1.15, 0.1),
    (0.9, 0.8),
)


def balloon(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A hot-air balloon, its basket's floor at y."""
    bag, basket = canvas.thing("balloon"), canvas.thing("trunk")
    radius = size * 0.4
    middle = y - size * 0.6
    for side in (-1, 1):
        canvas.line([(x + side * radius * 0.4, middle + radius), (x + side * size * 0.07, y - size * 0.1)], 2)
    dome = ellipse(x, middle, radius * 0.95, radius)[24:]
    neck = placed(((0.9, -0.3), (0.28, -1.12), (-0.28, -1.12), (-0.9, -0.3)), x, middle, radius)
    hull = [*dome, *neck]
    canvas.solid(hull, bag, (x - radius * 0.4, middle - radius * 0.4), 0.82)
    canvas.fill(ellipse(x - radius * 0.4, middle - radius * 0.45, radius * 0.16, radius * 0.24), bag.paint(LIGHT))
    for bend in (-0.38, 0.38):
        gore = [(0, 1), (bend * 0.75, 0.7), (bend, 0.1), (bend * 0.95, -0.35), (bend * 0.4, -1.12)]
        canvas.line(placed(gore, x, middle, radius), 2)
    canvas.shape(box(x - size * 0.08, y - size * 0.11, x + size * 0.08, y), basket.paint())


def sun(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A sun."""
    canvas.shape(ellipse(x, y, size / 2, size / 2), canvas.thing("sun").paint())


def cloud(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A white cloud, `size` wide."""
    canvas.shape(ellipse(x, y, size * 0.42, size * 0.16, canvas.dice.pick((7, 8, 9)), 0.3), WHITE, 3)


def birds(canvas: Canvas, x: float, y: float, size: float) -> None:
    """A few birds far away."""
    for number in range(canvas.dice.below(3) + 1):
        at = placed(((-0.5, 0.2), (-0.2, 0.3), (0, 0), (0.2, 0.3), (0.5, 0.2)), x + number * size * 1.6, y, size)
        canvas.line(scaled(at, canvas.dice.between(0.6, 1.1), (x, y)))


def speech(canvas: Canvas, x: float, y: float, width: float, height: float, speaker: Point | None) -> None:
    """A speech balloon centred at (x, y) with its tail towards `speaker`; a caption box if there is none."""
    if speaker is None:
        canvas.shape(box(x - width / 2, y - height / 2, x + width / 2, y + height / 2), WHITE)
    else:
        dx, dy = speaker[0] - x, speaker[1] - y
        tip = (x + dx * 0.65, y + dy * 0.65)
        root = x + math.copysign(min(abs(dx), width * 0.25), dx)
        tail = [(root - width * 0.07, y), tip, (root + width * 0.07, y)]
        bubble = [_squircle(step, x, y, width / 2, height / 2) for step in range(48)]
        canvas.shape(tail, WHITE)
        canvas.shape(bubble, WHITE)
        canvas.fill(scaled(tail, 0.9, (root, y)), WHITE)
        canvas.fill(scaled(bubble, 0.9, (x, y)), WHITE)
    _scribble(canvas, x, y, width * 0.72, height * 0.66)


def _squircle(step: int, x: float, y: float, rx: float, ry: float) -> Point:
    """A corner of an ellipse that is nearly a rectangle, as the balloons of comics are."""
    angle = 2 * math.pi * step / 48
    c, s = math.cos(angle), math.sin(angle)
    return x + rx * math.copysign(abs(c) ** 0.7, c), y + ry * math.copysign(abs(s) ** 0.7, s)


def _scribble(canvas: Canvas, x: float, y: float, width: float, height: float) -> None:
    """Lines of strokes that look like lettering from afar."""
    dice = canvas.dice
    rows = max(1, round(height / 24))
    for row in range(rows):
        base = y + (row - (rows - 1) / 2) * 24 + 7
        reach = width / 2 * dice.between(0.75, 1.0)
        pen = x - reach
        while pen < x + reach - 12:
            letters = 2 + dice.below(5)
            word = []
            for _ in range(letters):
                word += [(pen, base - dice.pick((9, 12, 14))), (pen + 4, base - dice.pick((0, 0, 5)))]
                pen += 9
            canvas.line(word)
            pen += 10
