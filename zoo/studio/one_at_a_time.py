"""A model that several threads ask."""

import threading
from collections.abc import Sequence

from zoo.pages.colorizer import Colorizer, Examined, Pictures


class OneAtATime(Colorizer):
    """A colourer whose network runs for one thread at a time."""

    _running = threading.Lock()

    def examined(self, pages: Sequence[Pictures]) -> list[Examined]:
        """As there."""
        with self._running:
            return super().examined(pages)
