"""A file as a location lists it: whose it is, and whether it is worth reading."""

from __future__ import annotations

from collections.abc import Iterable

from agnes.accounts.model import User
from agnes.kernel.drops import DropFile
from agnes.telemetry.collecting.model import Location
from agnes.telemetry.collecting.naming import NO_TRANSCRIPT, is_beside
from agnes.telemetry.transcripts import packed

NO_PERSON, AMBIGUOUS, DEACTIVATED = "no_such_person", "ambiguous_person", "deactivated_person"
TOO_LARGE, EMPTY = "transcript_too_large", "empty"


class People:
    """Who a word in a path is, by a location's rule. Never a guess: what two people could be is nobody."""

    def __init__(self, accounts: Iterable[User]) -> None:
        self._by_id: dict[str, User] = {user.id: user for user in accounts}
        self._by_email = {user.email.lower(): user for user in self._by_id.values()}
        self._by_local: dict[str, list[User]] = {}
        for user in self._by_id.values():
            self._by_local.setdefault(user.email.lower().partition("@")[0], []).append(user)

    def of(self, location: Location, word: str) -> User | str:
        """The person, or why there is none. A deactivated account still makes a local part ambiguous."""
        if location.matching == "map":
            named = location.people.get(word, "")
            found = self._by_id.get(named) or self._by_email.get(named.lower())
        elif location.matching == "id":
            found = self._by_id.get(word)
        elif location.matching == "email":
            found = self._by_email.get(word.lower())
        else:
            same = self._by_local.get(word.lower(), [])
            if len(same) > 1:
                return AMBIGUOUS
            found = same[0] if same else None
        if found is None:
            return NO_PERSON
        return found if found.active else DEACTIVATED


def problem_of(file: DropFile) -> str | None:
    """Why a file is not worth reading, as far as its listing tells."""
    if file.problem:
        return file.problem
    if is_beside(file.path):
        return NO_TRANSCRIPT
    if file.size_bytes > packed.MAX_PLAIN_BYTES:
        return TOO_LARGE
    return EMPTY if file.size_bytes == 0 else None
