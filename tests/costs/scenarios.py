"""The runs that are counted: reads, commits, a session's way from the client to the figures, schedules with nothing to do."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from pathlib import Path
from statistics import median
from typing import Any

import zstandard

from agnes.accounts import first_start
from agnes.hosting.bill import Work
from agnes.kernel import schedules
from agnes.kernel.clock import SystemClock
from agnes.kernel.metering import NAMES, Calls, measured, unattributed
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal, Via
from agnes.outside.metered import MeteredStore
from agnes.settings import Settings
from agnes.stack import service as stack
from agnes.state import StateFiles
from agnes_local import demo
from agnes_local.demo_sessions import month as demo_month
from infra import waited_for
from tests.builders.house import ROOT
from tests.costs.fleet import FULL_CORE_MB, Fleet, later, typical

ADMIN, PASSWORD = "ada@example.com", "correct horse battery"
REPEATS = 9
STALE_SECONDS = 1.1
"""After which an environment asks for the heads of its state files again."""
WRITERS = 64
SESSIONS = 40
PLUGIN = f"/api/marketplace/curated/{demo.SLUG}/finops/install"
REFS = "/marketplace.git/info/refs?service=git-upload-pack"
GIT = {"Git-Protocol": "version=2"}
MONTH_SECONDS = 30 * 86400


COLD = (
    "browse-page_marketplace",
    "browse-get_items",
    "feed-get_zip",
    "feed-get_refs",
    "stack-any_install",
    "telemetry-post_complete",
)
"""Functions whose start is measured: for each the first request of a new environment."""


@dataclass
class Start:
    """What a new environment costs beside its requests: its initialisation, which Lambda bills as well."""

    billed_ms: float
    memory_mb: int


@dataclass
class Measured:
    """Means of one request, or of one run, by name."""

    works: dict[str, list[Work]] = field(default_factory=dict)
    """What happens once, as the work of each function in it."""
    jobs: dict[str, tuple[Work, float]] = field(default_factory=dict)
    """With nothing to do, and how often a month."""
    busy_extraction: Work | None = None
    """Of the extraction that found SESSIONS sessions; its idle run is in `jobs`."""
    session_bytes: float = 0
    """What is stored of a session."""
    starts: dict[str, Start] = field(default_factory=dict)
    """By function."""
    first: dict[str, Work] = field(default_factory=dict)
    """The first request of a new environment, by function."""
    warmed: dict[str, Work] = field(default_factory=dict)
    """One call that keeps a function warm, by function."""
    queues: dict[str, bool] = field(default_factory=dict)
    """Queues that Lambda takes from, and whether MaximumConcurrency is set."""
    alarms: int = 0
    secrets: int = 0
    """Of an installation that nobody has given any: the key that signs is a parameter, which is free."""


def measure(folder: Path) -> Measured:
    fleet = Fleet(folder)
    found = Measured()
    idle(fleet, found)
    token = fill(fleet)
    _reads(fleet, found, token)
    _commits(fleet, found, token)
    _contended(fleet, found, folder)
    _sessions(fleet, found, token)
    warmed(fleet, found)
    _starts(fleet, found, token)
    templates(fleet, found)
    fleet.close()
    return found


def fill(fleet: Fleet) -> str:
    with fleet.setting_up() as house:
        first_start.prepare(house.state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=house.clock.now())
        demo.fill(fleet.folder / "demo")
        return house.login(ADMIN, PASSWORD)


def repeated(fleet: Fleet, method: str, path: str, *, pause: float, times: int = REPEATS, **given: object) -> Work:
    """Of a warm environment: the first two requests are not counted."""
    works = []
    for number in range(times + 2):
        later(fleet.clock, pause)
        work = fleet.request(method, path, **given)
        if number > 1:
            works.append(work)
    return typical(works)


def _reads(fleet: Fleet, found: Measured, token: str) -> None:
    cookie = f"access_token={token}"
    git, refs = GIT, REFS
    ask = b"0014command=ls-refs\n0016object-format=sha100010009peel\n000csymrefs\n0000"
    reads: dict[str, tuple[str, str, dict[str, Any]]] = {
        "page": ("GET", "/marketplace", {"cookie": cookie}),
        "plugin page": ("GET", f"/marketplace/curated/{demo.SLUG}/finops", {"cookie": cookie}),
        "items": ("GET", "/api/marketplace/items", {"token": token}),
        "zip 302": ("GET", "/marketplace.zip", {"token": token}),
        "check for news": ("GET", "/marketplace/info", {"token": token}),
        "git refs": ("GET", refs, {"token": token, "headers": git}),
        "git ls-refs": ("POST", "/marketplace.git/git-upload-pack", {"token": token, "headers": git, "body": ask}),
        "static file": ("GET", "/static/css/agnes.css", {}),
    }
    for name, (method, path, given) in reads.items():
        found.works[name] = [repeated(fleet, method, path, pause=STALE_SECONDS, **given)]
        found.works[f"{name}, asked twice within a second"] = [repeated(fleet, method, path, pause=0, **given)]
    found.works["git refs"] += found.works.pop("git ls-refs")
    found.works["git refs, asked twice within a second"] += found.works.pop("git ls-refs, asked twice within a second")


def _commits(fleet: Fleet, found: Measured, token: str) -> None:
    """A plugin taken off a stack and put there again, by the only one who writes."""
    works = []
    for number in range(REPEATS + 1):
        for method in ("DELETE", "POST"):
            later(fleet.clock, STALE_SECONDS)
            work = fleet.request(method, PLUGIN, token=token)
            if number:
                works.append(work)
    found.works["commit alone"] = [typical(works)]
    sign_in = {"json_body": {"email": ADMIN, "password": PASSWORD}}
    found.works["sign-in"] = [repeated(fleet, "POST", "/auth/token", pause=61, times=4, **sign_in)]


def _contended(fleet: Fleet, found: Measured, folder: Path) -> None:
    """WRITERS environments that change the same state file at once, each a person's stack."""
    store = MeteredStore(fleet.slow())
    states = [
        StateFiles(store, clock=SystemClock(), cache_dir=folder / f"writer{number}", max_stale_seconds=1)
        for number in range(WRITERS)
    ]
    people = [
        Principal(f"writer{number}", f"w{number}@example.com", "", frozenset({"everyone"}), via=Via.LOGIN)
        for number in range(WRITERS)
    ]
    for state in states:
        with state.read("stack", "marketplace", "flea"):
            pass
    together = threading.Barrier(WRITERS)
    counted: list[tuple[float, Calls]] = []
    failed: list[BaseException] = []

    def write(state: StateFiles, who: Principal) -> None:
        together.wait()
        began = time.perf_counter()
        try:
            with measured() as calls:
                stack.install(state, who, demo.SLUG, "chartkit", now=datetime.now(UTC))
        except BaseException as error:  # a commit that gives up is a finding, and costs too
            failed.append(error)
        counted.append((time.perf_counter() - began, calls))

    stray = Calls()
    stray.add(unattributed)
    threads = [threading.Thread(target=write, args=pair) for pair in zip(states, people, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = Calls()
    for _, calls in counted:
        total.add(calls)
    for name in NAMES:
        whole = getattr(total, name) + getattr(unattributed, name) - getattr(stray, name)
        setattr(total, name, whole / (WRITERS - len(failed)))
    alone = found.works["commit alone"][0]
    calls = Calls()
    calls.add(total)
    calls.gets += alone.calls.gets - 1  # what else the request reads: who asks, and what may be installed
    waited = median(seconds for seconds, _ in counted) * 1000
    found.works[f"commit at {WRITERS}"] = [
        Work(
            alone.memory_mb,
            runs=1,
            billed_ms=alone.billed_ms + waited,
            calls=calls,
            api_requests=1,
            bytes_out=alone.bytes_out,
            log_bytes=alone.log_bytes,
        )
    ]
    if failed:
        print(f"# {len(failed)} of {WRITERS} commits at once failed: {failed[0]!r}")
    for state in states:
        state.close()


def _sessions(fleet: Fleet, found: Measured, token: str) -> None:
    """As `agnes push` sends a session: where to, the bytes to the store, done; then the extraction."""
    bodies = transcripts()
    before = sum(entry.size_bytes for entry in fleet.memory.list(""))
    push(fleet, token, *next(bodies))
    fleet.job("telemetry-cron_extract_usage")
    pushed = []
    for session_id, body in islice(bodies, SESSIONS):
        later(fleet.clock, 8)
        pushed.append(push(fleet, token, session_id, body))
    found.works["push of a session"] = [typical(list(steps)) for steps in zip(*pushed, strict=True)]
    later(fleet.clock, 600)
    found.busy_extraction = fleet.job("telemetry-cron_extract_usage")
    after = sum(entry.size_bytes for entry in fleet.memory.list(""))
    found.session_bytes = (after - before) / (SESSIONS + 1)


def transcripts() -> Iterator[tuple[str, bytes]]:
    for _, session_id, body in demo_month(
        ["ada@example.com"] * 8, today=(datetime.now(UTC) - timedelta(days=1)).date()
    ):
        yield session_id, body


def push(fleet: Fleet, token: str, session_id: str, body: bytes) -> list[Work]:
    packed = zstandard.compress(body)
    wish = {
        "session_id": session_id,
        "agent_id": None,
        "size_bytes": len(packed),
        "sha256": hashlib.sha256(packed).hexdigest(),
        "encoding": "zstd",
    }
    answers: list[dict] = []
    first = fleet.request(
        "POST",
        "/api/upload/sessions/presign",
        token=token,
        json_body=wish,
        check=lambda answer: answers.append(answer.json()),
    )
    allowed = fleet.memory.open_presigned_url("PUT", answers[0]["url"])
    fleet.memory.take_presigned(allowed, [packed], content_type=answers[0]["headers"]["Content-Type"])
    done = {"upload_id": answers[0]["upload_id"]}
    return [first, fleet.request("POST", "/api/upload/sessions/complete", token=token, json_body=done)]


def idle(fleet: Fleet, found: Measured) -> None:
    """Every schedule, on an installation that has been set up and is not used."""
    with fleet.setting_up() as house:
        first_start.prepare(house.state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=house.clock.now())
        house.state.migrate()
    settings = Settings()
    for job in fleet.composition.jobs:
        every = settings.seconds_between(job["setting"]) if job["setting"] else None
        times = MONTH_SECONDS / every if every else _times_a_month(job["expression"])
        works = []
        for number in range(3):
            later(fleet.clock, every or 86400)
            work = fleet.job(job["function"])
            if number or times < 1000:  # what runs rarely finds no warm environment
                works.append(work)
            if times < 1000:
                fleet.forget(job["function"])
        found.jobs[job["function"]] = (typical(works), times)


def _starts(fleet: Fleet, found: Measured, token: str) -> None:
    """Each function's start in a new process, and its first request in a new environment. The files of Python are in
    the page cache already, which they are not on Lambda."""
    session = next(islice(transcripts(), SESSIONS + 2, None))
    requests: dict[str, Callable[[], Work]] = {
        "browse-page_marketplace": lambda: fleet.request("GET", "/marketplace", cookie=f"access_token={token}"),
        "browse-get_items": lambda: fleet.request("GET", "/api/marketplace/items", token=token),
        "feed-get_zip": lambda: fleet.request("GET", "/marketplace.zip", token=token),
        "feed-get_refs": lambda: fleet.request("GET", REFS, token=token, headers=GIT),
        "stack-any_install": lambda: fleet.request("DELETE", PLUGIN, token=token),
        "telemetry-post_complete": lambda: push(fleet, token, *session)[1],
    }
    assert set(requests) == set(COLD)
    for function, request in requests.items():
        later(fleet.clock, 8)
        fleet.forget(function)
        found.first[function] = request()
        found.starts[function] = _start(fleet, function)


def warmed(fleet: Fleet, found: Measured) -> None:
    """What the schedule of `KeepWarm` calls, five minutes after it did so the last time."""
    for function in fleet.composition.functions:
        entry = fleet.composition.entries[function.domain, function.folder]
        if entry.waited_for:
            event = json.loads(waited_for.keep_warm(function, entry)["Properties"]["Input"])
            for _ in range(2):
                later(fleet.clock, 300)
                found.warmed[function.name] = fleet.warm(function.name, event)


def _start(fleet: Fleet, function: str) -> Start:
    entry = fleet.composition.entries[tuple(function.split("-", 1))]
    module = f"functions.{function.replace('-', '.')}.app"
    script = (
        "import time, importlib; w, c = time.perf_counter(), time.process_time();"
        f"importlib.import_module({module!r}); print(time.perf_counter() - w, time.process_time() - c)"
    )
    runs = []
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
        runs.append([float(seconds) for seconds in done.stdout.split()])
    wall, cpu = min(runs)
    return Start((wall + cpu * max(0.0, FULL_CORE_MB / entry.memory_mb - 1)) * 1000, entry.memory_mb)


def templates(fleet: Fleet, found: Measured) -> None:
    """What the templates make that costs whether or not anybody comes."""
    for template in fleet.composition.templates.values():
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::CloudWatch::Alarm" and "Condition" not in resource:
                found.alarms += 1
            for event in resource.get("Properties", {}).get("Events", {}).values():
                if event["Type"] == "SQS":
                    name = str(event["Properties"]["Queue"]["Fn::GetAtt"][0])
                    found.queues[name] = "ScalingConfig" in event["Properties"]


def _times_a_month(expression: str) -> float:
    rule = schedules.parse(expression)
    if rule.every_seconds:
        return MONTH_SECONDS / rule.every_seconds
    begin = datetime(2026, 11, 1, tzinfo=UTC)
    until = begin + timedelta(seconds=MONTH_SECONDS)
    return sum(1 for _ in takewhile(lambda at: at < until, rule.times(begin)))
