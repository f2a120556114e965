"""Whoever has proved a password, or opened a link, and owes a code. Imports no Argon2: the sign-in page does, too."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime

from agnes.kernel.errors import UnauthenticatedError
from agnes.kernel.signing import Signing


class SecondFactorRequired(UnauthenticatedError):
    """The first proof holds, and a code is owed."""

    code = "second_factor_required"

    def __init__(self, pending: Pending) -> None:
        super().__init__(
            "this account asks for a code of your authenticator app", hint="Send it as `code`, or use a recovery code."
        )
        self.pending = pending


@dataclass(frozen=True, slots=True)
class Pending:
    """Somebody who owes a code. `epoch` ends it with the account's sign-ins, such as by a change of the password."""

    user_id: str
    email: str
    epoch: int
    method: str
    until: datetime

    def seal(self, signing: Signing) -> str:
        said = [self.user_id, self.email, self.epoch, self.method, self.until.isoformat()]
        body = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
        return f"{body}.{signing.sign(f'second-factor.{body}')}"

    @classmethod
    def opened(cls, text: str, signing: Signing, *, now: datetime) -> Pending | None:
        """None if it was not signed here, or is older than PENDING_LIFETIME."""
        body, _, signature = text.rpartition(".")
        if not body or not signing.holds(f"second-factor.{body}", signature):
            return None
        user_id, email, epoch, method, until = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        found = cls(user_id, email, epoch, method, datetime.fromisoformat(until))
        return found if found.until > now else None
