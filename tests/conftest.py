"""Shared fixtures: where the recordings lie, and deterministic random numbers."""

import zlib
from pathlib import Path

import numpy as np
import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def data() -> Path:
    """Folder of real and re-enacted recordings; the test is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip("the recordings (../shared/data) are not beside this checkout")
    return DATA


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """Generator seeded by the test's name: adding a test changes no other test's data."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))
