from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import chromium
from studying import Client, opened, save_book, save_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("model") / "small.keras")


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return save_book(tmp_path / "book")


@pytest.fixture
def client(book: Path, model: Path) -> Iterator[Client]:
    with opened(book, model) as found:
        yield found


@pytest.fixture(scope="module")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="module")
def browser(downloads: Path) -> Iterator[Any]:
    with chromium(**{"download.default_directory": str(downloads)}) as driver:
        yield driver
