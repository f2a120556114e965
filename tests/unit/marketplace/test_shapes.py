"""Shapes of real marketplaces: every plugin that the client loads is served, and what is left out is named.

What the client loads of them, from the original and from our feed: `tests/journeys/test_original_and_feed.py`.
"""

from __future__ import annotations

import pytest

from tests.builders.shapes import Shape, shapes


@pytest.mark.parametrize("shape", shapes(), ids=lambda shape: shape.name)
def test_what_the_client_loads_is_served(workshop, shape: Shape):
    repository = shape.repository(workshop.folder / "m.git")
    workshop.register(repository.url)
    report = workshop.sync()
    assert {refused.plugin: refused.reason for refused in report.refused} == shape.refused
    served = {name for name, plugin in workshop.plugins().items() if plugin.is_served}
    assert served == set(shape.plugins) - set(shape.refused)
    said = [f"{plugin}: {path}; it is left out" for plugin, paths in shape.left_out.items() for path in paths]
    assert sorted(warning for warning in report.warnings if warning.endswith("left out")) == sorted(said)
    assert not workshop.sync().changed
