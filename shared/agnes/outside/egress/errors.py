"""What can go wrong on the way to a foreign server. Each adapter makes its port's errors of these."""

from __future__ import annotations

PRIVATE_HINT = "An operator may allow it: AGNES_OUTBOUND_ALLOW=private."


class EgressError(Exception):
    """`message` quotes nothing of what a server sent."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PrivateAddress(EgressError):
    """The host has an address that is not of the open internet."""


class NoAddress(EgressError):
    """The host's name leads nowhere."""


class TimeUp(EgressError):
    """The work took longer than it may."""


class Silent(EgressError):
    """The server said nothing for too long."""


class ConnectionFailed(EgressError):
    """No connection, or one that broke."""


class TooManyRedirects(EgressError):
    """It redirects on and on."""
