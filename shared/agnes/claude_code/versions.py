"""The versions of the Claude Code client that Agnes supports and is tested with."""

OLDEST = "2.1.197"
"""The oldest supported version. What we serve has to load in it."""

NEWEST = "2.1.332"
"""The newest version at the time of the work. It decides what is known; `make client-drift` shows what came after it."""

TESTED = (OLDEST, NEWEST)
"""The versions that the journeys run with."""
