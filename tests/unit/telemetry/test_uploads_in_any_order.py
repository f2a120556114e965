"""Property: any split of transcripts into successive uploads, in any order, gives the tables of one upload each."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.telemetry.plant import Plant
from tests.unit.telemetry.strategies import bodies

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
FILES = ((A, None), (A, "a1"), (B, None))
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)
"""An example takes a second; shrinking one would take minutes."""

FIRST = b'{"type":"user","uuid":"u0","timestamp":"2026-11-20T08:00:00Z","message":{"content":"Hi"}}\n'


@st.composite
def histories(draw: st.DrawFn):
    """Bytes by file, and uploads of beginnings of them in some order with runs in between; all arrive in the end."""
    whole = {file: FIRST + draw(bodies(cut=False)) for file in FILES}
    uploads: list = []
    for file, body in whole.items():
        sizes = draw(st.lists(st.integers(1, len(body)), max_size=3))
        uploads += [(file, body[:size]) for size in sizes] + [(file, body)]
    steps = draw(st.permutations(uploads))
    return whole, [(step, draw(st.booleans())) for step in steps]


@settings(
    max_examples=10,
    deadline=None,
    phases=NO_SHRINKING,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(histories())
def test_any_order_gives_the_same_tables(history):
    whole, steps = history
    with tempfile.TemporaryDirectory() as folder:
        at_once, bit_by_bit = Plant(Path(folder) / "a"), Plant(Path(folder) / "b")
        for (session, agent), body in whole.items():
            at_once.upload(body, session, agent=agent)
        at_once.run()
        for ((session, agent), body), run in steps:
            bit_by_bit.upload(body, session, agent=agent)
            if run:
                bit_by_bit.run()
        bit_by_bit.run()
        assert bit_by_bit.tables() == at_once.tables()
        # And once more: importing twice changes nothing.
        for (session, agent), body in whole.items():
            assert bit_by_bit.upload(body, session, agent=agent) == "unchanged"
        before = bit_by_bit.rows("SELECT * FROM telemetry.sessions ORDER BY ALL")
        assert bit_by_bit.run().sessions == 0
        assert bit_by_bit.rows("SELECT * FROM telemetry.sessions ORDER BY ALL") == before
        assert bit_by_bit.tables() == at_once.tables()
        at_once.state.close()
        bit_by_bit.state.close()
