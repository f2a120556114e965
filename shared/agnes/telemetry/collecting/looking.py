"""A look at a location before it is trusted: nothing is read or kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from agnes.accounts.model import User
from agnes.accounts.service import users
from agnes.kernel.drops import DropFile, DropPattern, DropRefused, Drops, DropUnreachable
from agnes.kernel.ports import Secret
from agnes.kernel.state import Db
from agnes.telemetry.collecting import locations, rules
from agnes.telemetry.collecting.listed import People, problem_of
from agnes.telemetry.collecting.model import Location
from agnes.telemetry.collecting.naming import names_of
from agnes.telemetry.collecting.report import EXAMPLES, Limits, told


@dataclass(frozen=True, slots=True)
class Sample:
    path: str
    person: str
    """What stands for `{user}`."""
    email: str | None
    session_id: str | None
    size_bytes: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Tested:
    """A location as it is now; nothing was read or kept."""

    ok: bool
    host_key: str
    """What an SFTP server shows. Compare the fingerprint with what its administrator says before you save it."""
    fingerprint: str
    confirmed: bool
    """The host key is the one that was given, so the location was signed in to and listed."""
    files_seen: int
    refused: dict[str, int]
    samples: tuple[Sample, ...]
    error: str | None = None
    error_code: str | None = None


def look(drops: Drops, db: Db, given: Location, credential: Secret | None, *, limits: Limits | None = None) -> Tested:
    """Look at a location: is it there, what lies there, whose is it? `db` has `people`."""
    limits = limits or Limits(location_seconds=15, location_files=2000)
    shown, key_is_known = "", True
    refused: Counter[str] = Counter()
    samples: list[Sample] = []
    seen = 0
    try:
        if given.kind == "sftp":
            if given.host_key:
                shown = given.host_key
            else:
                shown, key_is_known = locations.with_shown_key(drops, given.place), False
        if key_is_known:
            people = People(users(db))
            with drops.open(given.place, credential, seconds=limits.location_seconds) as drop:
                for file in drop.files(DropPattern.parse(given.pattern), limit=limits.location_files):
                    seen += 1
                    who = people.of(given, file.person)
                    problem = problem_of(file) or (who if isinstance(who, str) else None)
                    if problem:
                        refused[problem] += 1
                    if len(samples) < EXAMPLES:
                        samples.append(_sample(file, who, problem))
    except (DropRefused, DropUnreachable) as exc:
        mark = rules.fingerprint(shown) if shown else ""
        return Tested(False, shown, mark, False, seen, dict(refused), tuple(samples), told(exc), exc.code)
    mark = rules.fingerprint(shown) if shown else ""
    return Tested(key_is_known, shown, mark, key_is_known, seen, dict(refused), tuple(samples))


def _sample(file: DropFile, who: User | str, problem: str | None) -> Sample:
    session, agent = names_of(file.path)
    shown = session if session is None or agent is None else f"{session}/{agent}"
    return Sample(file.path, file.person, None if isinstance(who, str) else who.email, shown, file.size_bytes, problem)
