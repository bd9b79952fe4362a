"""What there is to know of a metric, whatever it measures."""

from dataclasses import dataclass

ARROWS = {True: "↑", False: "↓", None: "→ truth"}


@dataclass(frozen=True)
class Metric:
    """What a number means; the only source of every table about it.

    Attributes:
        unit: of the value.
        higher_is_better: the direction; None where a certain value is best, such as the truth's.
        version: counted up when its definition changes; values of two versions are not comparable.
        meaning: one line.
        target: the best value, where it is the same for all images; None where it is the truth's own, or an end.
    """

    unit: str
    higher_is_better: bool | None
    version: int
    meaning: str
    target: float | None = None

    @property
    def arrow(self) -> str:
        """Which way is better: ↑, ↓, or → and the best value."""
        return ARROWS[self.higher_is_better] if self.target is None else f"→ {self.target:g}"

    @property
    def described(self) -> str:
        """What it means, and its unit where it has one."""
        return self.meaning + (f" ({self.unit})" if self.unit != "1" else "")
