"""Which Agnes this is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import agnes

NUMBER = "0.1.0"
"""As in pyproject.toml; a test keeps them equal, since a Lambda layer has no package metadata."""

OLDEST_COMMAND = "0.1.0"
"""The oldest `agnes` command that this release serves; older ones refuse to go on. Raised when a route that it uses changes its form."""

BUILD = Path(agnes.__file__).parents[2] / "build"
"""What the build leaves for the running installation: in the checkout, and in the code layer under /opt."""


@dataclass(frozen=True)
class VersionInfo:
    version: str
    commit: str
    """The git commit that was built; empty when run from a checkout."""


@cache
def current() -> VersionInfo:
    commit = BUILD / "commit"
    return VersionInfo(NUMBER, commit.read_text().strip() if commit.exists() else "")
