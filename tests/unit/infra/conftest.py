"""The composed house, once for this folder's tests."""

from __future__ import annotations

import pytest

from infra import compose
from infra.compose import Composition


@pytest.fixture(scope="session")
def composition() -> Composition:
    return compose.compose()
