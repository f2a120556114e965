"""A view without one of our decorators has no contract, so nothing says who may call it."""

from __future__ import annotations

import pytest

from infra.discovery import CompositionError, _contract


def test_a_view_without_a_decorator_is_refused_by_name():
    def get_items() -> dict[str, int]:
        return {}

    with pytest.raises(CompositionError, match="get_items is not decorated"):
        _contract(get_items)
