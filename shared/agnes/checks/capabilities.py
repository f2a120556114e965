"""What an upload can do, and what an update can do that the live version cannot."""

from __future__ import annotations

from agnes.checks.model import Bundle
from agnes.marketplace import capabilities
from agnes.marketplace.capabilities import Capabilities


def of(bundle: Bundle) -> Capabilities:
    """From the one table of the client's components (`agnes.claude_code.components`)."""
    return capabilities.of(bundle.files, sorted(bundle.executables), {})


def gained(live: Bundle, now: Capabilities) -> Capabilities:
    return capabilities.difference(of(live), now).added
