"""How long tests wait, so that none of them fails because the machine is busy.

A test asserts what happened, never how long it took: processes share cores, caches and disks with whatever else runs, so a time is
no property of the code. What is bounded is proved by counting work, by a state that is reached, or by the limit that the code itself
was given. `tests/architecture/test_patience.py` refuses shorter waits and times that are compared with a number.
"""

from __future__ import annotations

from collections.abc import Iterator

PATIENCE_SECONDS = 300.0
"""For whatever must happen. Only what would never happen takes so long; pytest's own limit of a test is three times as long."""
PATIENCE_MILLISECONDS = PATIENCE_SECONDS * 1000
"""The same for Playwright."""


def longer_and_longer(first_seconds: float) -> Iterator[float]:
    """Limits for code under test that is to run into one, after it has done what comes before.

    The first is short, so that the test is quick; on a machine that is so busy that the limit was reached too early, take the next.
    """
    seconds = first_seconds
    while seconds < PATIENCE_SECONDS:
        yield seconds
        seconds *= 5
    yield PATIENCE_SECONDS
