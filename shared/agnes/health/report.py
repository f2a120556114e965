"""Does the installation work? One field a fact, each with a colour and, where it is not green, what to do.

`judge` is pure: facts in, a verdict out. `report` gathers the facts, once in 30 seconds for all processes together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from weakref import WeakKeyDictionary

import msgspec

from agnes.audit import service
from agnes.audit.durations import ago, span
from agnes.health import checks, installation, stored_files
from agnes.health.installation import JobHealth, StoreHealth
from agnes.health.stored_files import Damaged
from agnes.kernel import sealed
from agnes.kernel.errors import AgnesError
from agnes.kernel.ports import ANYTHING, Clock, DeadLetters, ObjectStore
from agnes.kernel.state import State
from agnes.marketplace import service as marketplace
from agnes.ops import jobs
from agnes.telemetry import service as telemetry
from agnes.telemetry.lake.damages import Damage

Color = Literal["green", "yellow", "red"]

HELP = "/admin/help/damaged-data"
KEY = "health/activity.json"
CACHED = timedelta(seconds=30)
INSTALLED = "probe/passed"
EXTRACT = "telemetry.extract"
LATE, TOO_LATE = 2, 4
"""In intervals: yellow from two on, red from four on."""
SCHEDULER_LATE, SCHEDULER_TOO_LATE = 1800, 7200
"""Seconds; more where every schedule is rarer."""
MANY_FAILURES = 10
OK_ENOUGH = 0.95
_WORST = ("green", "yellow", "red")
_SAID = 2
_DAYS = 5
DAMAGE_SHOWN = timedelta(days=7)

_held: WeakKeyDictionary[ObjectStore, HealthReport] = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Schedule:
    job: str
    interval_seconds: int
    """The longest time between two runs."""


@dataclass(frozen=True)
class Field:
    key: str
    label: str
    value: str
    """In words."""
    raw: float | None
    """The figure: seconds of an age, or a count."""
    color: Color
    advice: str = ""
    """What to do where it is not green."""
    help_url: str = ""
    """A page that says more."""


@dataclass(frozen=True)
class HealthReport:
    status: Color
    fields: list[Field]
    sentence: str
    at: datetime


@dataclass(frozen=True)
class Facts:
    now: datetime
    store: StoreHealth
    installed_at: datetime | None = None
    schedules: list[Schedule] = field(default_factory=list)
    jobs: dict[str, JobHealth] = field(default_factory=dict)
    failed: dict[str, int] = field(default_factory=dict)
    """Runs that failed in 24 hours, by job."""
    dead_letters: dict[str, int] | None = None
    """None where nobody answered."""
    waiting: int = 0
    oldest_waiting_at: datetime | None = None
    quarantined: int = 0
    quarantined_today: int = 0
    """Received in 24 hours."""
    bills: telemetry.Bills | None = None
    """Of sessions of 24 hours; None before any was looked at."""
    syncs: dict[str, int] | None = None
    """Outcomes of 24 hours; None without a marketplace."""
    active_users: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)
    """State files that cannot be read, each with the code of the error."""
    lake: Damage | None = None
    """Damaged usage data of 7 days; None where nobody could say."""
    damaged: Damaged = field(default_factory=Damaged)
    """Stored files of plugins and of their pages."""
    warnings: list[str] = field(default_factory=list)
    """Of /api/health/detailed, beside those of jobs and of the store."""
    broken: list[str] = field(default_factory=list)
    """As `warnings`, but nothing can be written."""


def report(
    state: State,
    store: ObjectStore,
    dead_letters: DeadLetters,
    migrations: installation.Migrations,
    interval_of: Callable[[str], int],
    *,
    clock: Clock,
) -> HealthReport:
    """The verdict, at most 30 seconds old. Never raises for a store that does not answer: that is a verdict too."""
    now = clock.now()
    known = _held.get(store) or _stored(store)
    if known is None or not timedelta(0) <= now - known.at < CACHED:
        known = judge(_facts(state, store, dead_letters, migrations, interval_of, clock=clock))
        if known.fields[0].color == "green":
            body = sealed.seal(KEY, msgspec.json.encode(known))
            store.write(KEY, body, expect=ANYTHING, content_type="application/json")
    _held[store] = known
    return known


def judge(facts: Facts) -> HealthReport:
    """Overall it is as well as what is worst; the sentence says what that is and what to do."""
    fields = list(_fields(facts))
    status = max((each.color for each in fields), key=_WORST.index)
    return HealthReport(status, fields, _sentence(status, fields), facts.now)


def _sentence(status: Color, fields: list[Field]) -> str:
    if status == "green":
        return "All is well: every schedule ran when it was due, and nothing waits that should not."
    bad = [each for each in fields if each.color == status]
    others = sum(each.color != "green" for each in fields) - len(bad[:_SAID])
    said = " ".join(f"{each.label}: {each.value}. {each.advice}" for each in bad[:_SAID])
    opening = "Something is broken." if status == "red" else "Agnes is running, but something needs attention."
    rest = f" {others} more {'field is' if others == 1 else 'fields are'} not green." if others else ""
    return f"{opening} {said}{rest}"


def _fields(facts: Facts) -> Iterator[Field]:
    if facts.store.status == "error":
        value = f"does not answer ({facts.store.code})"
        advice = "Check whether the store is reachable and has room; nothing else can be judged before."
        if facts.store.code == "disk_full":
            value = "the disk is full"
            advice = "Reading goes on, and every change is refused until there is room. Free some, or enlarge the disk."
        yield Field("store", "Store", value, None, "red", advice)
        return
    yield Field("store", "Store", f"a write and a read took {facts.store.round_trip_ms:g} ms", 0, "green")
    yield _state_files(facts)
    yield _lake(facts)
    yield _stored_files(facts)
    yield _scheduler(facts)
    for schedule in facts.schedules:
        yield _schedule(facts, schedule)
    yield _failed_runs(facts)
    yield _dead_letters(facts)
    yield _inbox(facts)
    yield _oldest(facts)
    yield _quarantined(facts)
    yield _bills(facts)
    yield _syncs(facts)
    yield Field("active_users_today", "Active people today", str(facts.active_users), facts.active_users, "green")
    yield _warnings(facts)


def _state_files(facts: Facts) -> Field:
    key, label = "state_files", "State files"
    if not facts.unreadable:
        return Field(key, label, "all can be read", 0, "green")
    value = ", ".join(f"{file} cannot be read ({code})" for file, code in sorted(facts.unreadable.items()))
    damaged = sorted(file for file, code in facts.unreadable.items() if code == "state_damaged")
    advice = "Check whether the store is reachable and this machine's disk has room."
    if damaged:
        advice = f"Run agnes-local state check {damaged[0]}: it says what can be restored and how."
    return Field(key, label, value, len(facts.unreadable), "red", advice, HELP)


def _lake(facts: Facts) -> Field:
    """Event files and rollups that were damaged."""
    key, label, found = "usage_data", "Usage data", facts.lake
    if found is None:
        return Field(key, label, "could not be looked at", None, "yellow", "Its state file telemetry cannot be read.")
    days = ", ".join(f"{day}" for day in found.days[:_DAYS]) + (" and more" if len(found.days) > _DAYS else "")
    if found.unrepaired:
        value = f"{found.unrepaired} damaged {'file' if found.unrepaired == 1 else 'files'}, of {days}"
        advice = f"The next run of {EXTRACT} rebuilds them; now: agnes admin run {EXTRACT}."
        return Field(key, label, value, found.unrepaired, "red", advice, HELP)
    lost = found.sessions_lost + found.rollups_lost
    if lost:
        value = f"events of {found.sessions_lost} sessions and {found.rollups_lost} daily rollups could not be rebuilt, of {days}"
        advice = "Their transcripts or events are gone. Find out what damaged the store, and restore a backup if you have one."
        return Field(key, label, value, lost, "yellow", advice, HELP)
    if found.rebuilt:
        value = f"{found.rebuilt} damaged {'file' if found.rebuilt == 1 else 'files'} of {days} rebuilt in 7 days"
        advice = "No figure is missing. Find out what damaged the store: disk, another program, a person."
        return Field(key, label, value, found.rebuilt, "yellow", advice, HELP)
    return Field(key, label, "no damage in 7 days", 0, "green")


def _stored_files(facts: Facts) -> Field:
    """Stored files of plugins and of their pages that are damaged."""
    key, label, found = "plugin_files", "Files of plugins", facts.damaged
    if not found.count:
        return Field(key, label, "no damage is known", 0, "green")
    return Field(key, label, found.value, found.count, "red" if found.plugins else "yellow", found.advice, HELP)


def _scheduler(facts: Facts) -> Field:
    """Whether anything is started by itself at all."""
    key, label = "scheduler", "Scheduler"
    names = {schedule.job for schedule in facts.schedules}
    ages = [job.age_seconds for name, job in facts.jobs.items() if name in names]
    if not ages:
        return Field(key, label, "never ran a job", None, "yellow", "Wait for its first run, or look whether it runs.")
    rarest = min(schedule.interval_seconds for schedule in facts.schedules)
    late, too_late = max(SCHEDULER_LATE, LATE * rarest), max(SCHEDULER_TOO_LATE, TOO_LATE * rarest)
    color = _color(min(ages), late, too_late)
    advice = "" if color == "green" else "Look whether the scheduler runs: no job was started for so long."
    return Field(key, label, f"last started a job {ago(min(ages))}", min(ages), color, advice)


def _schedule(facts: Facts, schedule: Schedule) -> Field:
    key, label, every = f"schedule.{schedule.job}", schedule.job, span(schedule.interval_seconds)
    job = facts.jobs.get(schedule.job)
    if job is None or job.last_success_at is None:
        if job is not None:
            value = f"failed {ago(job.age_seconds)} and never succeeded"
            return Field(key, label, value, None, "red", _why(job))
        young = facts.installed_at is not None and _seconds(facts.now - facts.installed_at) < (
            LATE * schedule.interval_seconds
        )
        if young:
            return Field(key, label, f"not due yet, runs every {every}", None, "green")
        return Field(key, label, f"never ran, should every {every}", None, "yellow", "Wait for its first run.")
    age = _seconds(facts.now - job.last_success_at)
    color = _color(age, LATE * schedule.interval_seconds, TOO_LATE * schedule.interval_seconds)
    value = f"succeeded {ago(age)}, runs every {every}"
    if job.status == "error":
        color = "red" if color == "red" else "yellow"
        return Field(key, label, f"failed {ago(job.age_seconds)}, last {value}", age, color, _why(job))
    advice = "" if color == "green" else "It is late: look whether the scheduler runs, and into its log."
    return Field(key, label, value, age, color, advice)


def _why(job: JobHealth) -> str:
    reason = (job.error or "no reason was given").rstrip(".")
    return f"It said: {reason}. It is tried again when it is due."


def _failed_runs(facts: Facts) -> Field:
    count = sum(facts.failed.values())
    names = ", ".join(f"{name} {times} times" if times > 1 else name for name, times in sorted(facts.failed.items()))
    color: Color = "green" if not count else "yellow" if count < MANY_FAILURES else "red"
    value = f"{count} in 24 hours: {names}" if count else "none in 24 hours"
    advice = "" if not count else "Their reasons are in jobs/<name>/failed/ and in the functions' logs."
    return Field("failed_runs_24h", "Failed runs", value, count, color, advice)


def _dead_letters(facts: Facts) -> Field:
    key, label = "dead_letters", "Dead letters"
    if facts.dead_letters is None:
        return Field(key, label, "could not be counted", None, "yellow", "Look whether the queues can be reached.")
    count = sum(facts.dead_letters.values())
    if not count:
        return Field(key, label, "none", 0, "green")
    where = ", ".join(f"{number} in {name}" for name, number in sorted(facts.dead_letters.items()) if number)
    advice = "Read which and why (agnes-local dead-letters), fix the cause, then send them again or remove them."
    return Field(key, label, where, count, "yellow", advice)


def _inbox(facts: Facts) -> Field:
    value = f"{facts.waiting} transcript{'' if facts.waiting == 1 else 's'} waiting" if facts.waiting else "empty"
    return Field("inbox", "Inbox", value, facts.waiting, "green")


def _oldest(facts: Facts) -> Field:
    key, label = "oldest_unprocessed", "Oldest unprocessed file"
    if facts.oldest_waiting_at is None:
        return Field(key, label, "none", 0, "green")
    age = max(0, _seconds(facts.now - facts.oldest_waiting_at))
    every = next((each.interval_seconds for each in facts.schedules if each.job == EXTRACT), 600)
    color = _color(age, LATE * every, TOO_LATE * every)
    advice = "" if color == "green" else f"Run {EXTRACT} now (agnes admin run {EXTRACT}) and read its report."
    return Field(key, label, f"arrived {ago(age)}", age, color, advice)


def _quarantined(facts: Facts) -> Field:
    value = f"{facts.quarantined}, of them {facts.quarantined_today} new in 24 hours" if facts.quarantined else "none"
    advice = (
        "The reasons are in quarantine/; a better copy of the transcript ends it." if facts.quarantined_today else ""
    )
    color: Color = "yellow" if facts.quarantined_today else "green"
    return Field("quarantined", "Transcripts in quarantine", value, facts.quarantined, color, advice)


def _bills(facts: Facts) -> Field:
    """Whether our costs are those of the client's own bill: a new price, or a field that is not counted, shows here within a day."""
    key, label = "bills_24h", "Cost against the client's own bill"
    found = facts.bills
    if found is None or not (found.compared or found.not_compared):
        return Field(key, label, "no session of 24 hours has a bill of the client's own", 0, "green")
    differing = found.other_price + found.unpriced
    parts = [f"{found.compared - differing - found.other_tokens} of {found.compared} sessions of 24 hours are equal"]
    if found.other_price:
        parts.append(f"{found.other_price} at another price ({_dollars(found.other_price_usd)})")
    if found.unpriced:
        parts.append(f"{found.unpriced} with a model that has no list price")
    if found.other_tokens:
        parts.append(
            f"{found.other_tokens} with requests that only one side counts ({_dollars(found.other_tokens_usd)})"
        )
    if found.not_compared:
        parts.append(f"{found.not_compared} not comparable")
    advice = ""
    if differing:
        models = ", ".join(found.models[:5]) or "their models"
        advice = (
            f"Check the price of {models}: agnes admin usage prices. A newer release may have it in its price list."
        )
    return Field(key, label, "; ".join(parts), differing, "yellow" if differing else "green", advice)


def _dollars(amount: float) -> str:
    return f"{'+' if amount >= 0 else '-'}${abs(amount):,.2f}"


def _syncs(facts: Facts) -> Field:
    key, label = "sync_24h", "Marketplace syncs"
    if facts.syncs is None:
        return Field(key, label, "no marketplace is registered", 0, "green")
    total, failed = sum(facts.syncs.values()), facts.syncs.get("failed", 0)
    if not total:
        return Field(key, label, "none in 24 hours", 0, "yellow", "Sync now: agnes admin marketplace sync --all.")
    color: Color = "green" if not failed else "yellow" if (total - failed) / total >= OK_ENOUGH else "red"
    advice = "The sync history says which marketplace failed and why." if failed else ""
    return Field(key, label, f"{total - failed} of {total} succeeded in 24 hours", total, color, advice)


def _warnings(facts: Facts) -> Field:
    found = [*facts.broken, *facts.warnings]
    color: Color = "red" if facts.broken else "yellow" if facts.warnings else "green"
    advice = "Deploy the newest release: it refuses to write what it does not know." if facts.broken else ""
    if facts.warnings and not facts.broken:
        advice = "Nothing to do: the next change or deployment migrates it, and readers do not wait for that."
    value = f"{len(found)}: {', '.join(found)}" if found else "none"
    return Field("diagnose_warnings", "Warnings", value, len(found), color, advice)


def _facts(
    state: State,
    store: ObjectStore,
    dead_letters: DeadLetters,
    migrations: installation.Migrations,
    interval_of: Callable[[str], int],
    *,
    clock: Clock,
) -> Facts:
    now = clock.now()
    probed = installation.probe(store, clock)
    if probed.status == "error":
        return Facts(now, probed)
    day_ago = now - timedelta(days=1)
    runs, waiting = installation.runs(store, now), telemetry.waiting(store)
    tried = checks.tried(state, store, migrations, clock)
    syncs, quarantined, quarantined_today, bills, lake = None, 0, 0, None, None
    if "marketplace" not in tried.files:
        with state.read("marketplace") as db:
            syncs = marketplace.sync_outcomes(db, day_ago)
    if "telemetry" not in tried.files:
        with state.read("telemetry") as db:
            quarantined, quarantined_today = telemetry.quarantined(db, day_ago)
            bills = telemetry.bills(db, day_ago)
            lake = telemetry.damage(db, now - DAMAGE_SHOWN)
    files = installation.files(store, migrations)
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    _, kpis = service.overview(state, store, since=midnight, now=now)
    installed = next((entry.modified_at for entry in store.list(INSTALLED)), None)
    failed = {name: sum(at >= day_ago for at in times) for name, times in runs.failed.items()}
    return Facts(
        now=now,
        store=probed,
        installed_at=installed,
        schedules=[Schedule(job, every) for job, every in sorted(jobs.intervals(interval_of, now).items())],
        jobs=runs.jobs,
        failed={name: count for name, count in failed.items() if count},
        dead_letters=_counted(dead_letters),
        waiting=waiting.count,
        oldest_waiting_at=waiting.oldest_at,
        quarantined=quarantined,
        quarantined_today=quarantined_today,
        bills=bills,
        syncs=syncs,
        active_users=kpis.active_users,
        unreadable=dict(tried.files),
        lake=lake,
        damaged=stored_files.find(state, store, tried.files),
        warnings=[f"{file} is migrating" for file, found in files.items() if found.status == "migrating"],
        broken=[
            f"{file} was written by a newer release" for file, found in files.items() if found.status == "mismatch"
        ],
    )


def _counted(dead_letters: DeadLetters) -> dict[str, int] | None:
    try:
        return dead_letters.count(jobs.queues())
    except AgnesError:
        return None


def _stored(store: ObjectStore) -> HealthReport | None:
    """What another process found."""
    try:
        found = store.read(KEY)
        if found is None:
            return None
        known = msgspec.json.decode(sealed.opened(KEY, found.body), type=HealthReport)
        return known if known.at.tzinfo is not None else None
    except (AgnesError, msgspec.DecodeError, sealed.Unsealed):  # it is judged anew
        return None


def _color(age: float, late: float, too_late: float) -> Color:
    return "green" if age <= late else "yellow" if age <= too_late else "red"


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
