"""SIGKILL at any moment: what was acknowledged is there afterwards, and nothing counts twice."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self
from uuid import uuid4

import httpx
import pytest
import zstandard

from tests.builders.demo_marketplace import DemoMarketplace, analyst_with, synced_demo
from tests.builders.embedded import EmbeddedServer, embedded_server
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import Target, Visitor
from tests.builders.transcripts import Transcript
from tests.journeys.conftest import ADMIN, OPERATOR_TOKEN, SETTINGS

pytestmark = pytest.mark.slow

ROUNDS = 2
"""Each ends with the whole server killed while everybody writes."""
ROUND_SECONDS = 2.0
PAUSE_SECONDS = 0.15
"""Between one writer's requests: the proof is in the kills, not in the number of writes."""
WORKERS = 3


@dataclass
class Journal:
    """What was asked for, and what of it was acknowledged."""

    tried: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)

    def write(self, name: str, write: Callable[[], httpx.Response]) -> None:
        """A lost connection and a 5xx leave the outcome open; any other refusal is an error of the test."""
        self.tried.add(name)
        with contextlib.suppress(httpx.TransportError):
            answer = write()
            if answer.is_success:
                self.done.add(name)
            else:
                assert answer.status_code >= 500, answer.text


class Crowd:
    """Threads that each do one kind of write until they are stopped."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        self._threads = [threading.Thread(target=self._repeat, args=(job,), daemon=True) for job in jobs]

    def _repeat(self, job: Callable[[], None]) -> None:
        while not self._stop.is_set():
            try:
                job()
            except BaseException as failure:
                self.failures.append(failure)
                return
            time.sleep(PAUSE_SECONDS)

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedServer]:
    with embedded_server(tmp_path, {**SETTINGS, "AGNES_WORKERS": str(WORKERS)}) as server:
        yield server


@contextlib.contextmanager
def target_of(server: EmbeddedServer) -> Iterator[Target]:
    with Target(server.base_url, ADMIN, OPERATOR_TOKEN, server.run_job) as target:
        yield target


def transcript(session_id: str) -> bytes:
    """A session with one call of the forecast skill, half an hour ago."""
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    made = Transcript(session=session_id, at=at, rng=random.Random(session_id))
    made.prompt("Forecast Q3")
    made.result(made.use("Skill", skill="finops:forecast"), "Launching skill: finops:forecast")
    return made.body()


def ask(who: Visitor, method: str, path: str, **given: object) -> httpx.Response:
    """Without a check: servers die here. Another connection each time."""
    headers = {"Authorization": f"Bearer {who.token}"}
    plain = httpx.HTTPTransport(verify=False)  # no certificates are read, which takes longer than the request
    with httpx.Client(base_url=who.target.base_url, transport=plain, timeout=PATIENCE_SECONDS) as http:
        return http.request(method, path, headers=headers, **given)


def upload_by_form(who: Visitor, session_id: str, body: bytes) -> httpx.Response:
    return ask(who, "POST", "/api/upload/sessions", files={"file": (f"{session_id}.jsonl", body)})


def upload_presigned(who: Visitor, session_id: str, body: bytes) -> httpx.Response:
    """As `agnes push` does; the answer to the last step that was made."""
    packed = zstandard.compress(body)
    wish = {"session_id": session_id, "size_bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
    where = ask(who, "POST", "/api/upload/sessions/presign", json=wish)
    if not where.is_success:
        return where
    with httpx.Client(transport=httpx.HTTPTransport(verify=False), timeout=PATIENCE_SECONDS) as http:
        put = http.put(where.json()["url"], content=packed, headers=where.json()["headers"])
    if not put.is_success:
        return put
    return ask(who, "POST", "/api/upload/sessions/complete", json={"upload_id": where.json()["upload_id"]})


def kill_workers(server: EmbeddedServer, until: float, rng: random.Random) -> int:
    """SIGKILL a worker every now and then; how many died."""
    killed = 0
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.2, 0.5))
        workers = server.workers()
        if len(workers) == WORKERS:  # the others serve on, and a new one comes
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(workers), signal.SIGKILL)
                killed += 1
    return killed


def test_what_was_acknowledged_survives(server: EmbeddedServer, tmp_path: Path):
    groups, sessions = Journal(), Journal()
    bodies: dict[str, bytes] = {}
    rng = random.Random(20261123)
    with target_of(server) as target:
        demo = synced_demo(target, tmp_path)
        mira = analyst_with(demo, "finops")
        token, email = mira.make_token()["token"], mira.email
    killed = 0
    for _ in range(ROUNDS):
        with target_of(server) as target:
            admin, analyst = target.admin(), target.visitor(token)

            def add_group(admin: Visitor = admin) -> None:
                name = f"Group {uuid4()}"
                groups.write(name, lambda: ask(admin, "POST", "/api/admin/groups", json={"name": name}))

            def add_session(upload: Callable[..., httpx.Response], who: Visitor) -> None:
                session_id = str(uuid4())
                bodies[session_id] = transcript(session_id)
                sessions.write(session_id, lambda: upload(who, session_id, bodies[session_id]))

            with Crowd(
                add_group,
                add_group,
                lambda who=analyst: add_session(upload_by_form, who),
                lambda who=analyst: add_session(upload_presigned, who),
            ) as crowd:
                killed += kill_workers(server, time.monotonic() + ROUND_SECONDS, rng)
                server.kill()
            assert crowd.failures == []
        server.start()

    with target_of(server) as target:
        names = {group["name"] for group in target.admin().get("/api/admin/groups").json()}
        assert groups.done <= names
        assert {name for name in names if name.startswith("Group ")} <= groups.tried
        analyst = target.visitor(token)
        for session_id in sorted(sessions.done):
            again = upload_by_form(analyst, session_id, bodies[session_id]).json()
            assert again["status"] == "unchanged", "an acknowledged upload is stored"
        target.process_usage()
        demo = DemoMarketplace(target, target.admin(), demo.repository, demo.slug)
        card = demo.card(target.sign_in(email), "finops")
        assert len(sessions.done) <= card["invocations_30d"] <= len(sessions.tried)
        for session_id in sorted(sessions.tried - sessions.done):
            assert upload_presigned(analyst, session_id, bodies[session_id]).is_success
        target.process_usage()
        card = demo.card(target.sign_in(email), "finops")
        assert card["invocations_30d"] == len(sessions.tried), "what was sent again counts once"
    assert killed >= ROUNDS, "workers were killed"
    assert groups.done, "somebody was served between the kills"
    assert sessions.done


def test_an_extraction_that_is_killed_counts_nothing_twice(server: EmbeddedServer, tmp_path: Path):
    sent = 12
    with target_of(server) as target:
        demo = synced_demo(target, tmp_path)
        mira = analyst_with(demo, "finops")
        token, email = mira.make_token()["token"], mira.email
    rng = random.Random(7)
    for round_ in range(1, ROUNDS + 1):
        with target_of(server) as target:
            analyst = target.visitor(token)
            for _ in range(sent):
                session_id = str(uuid4())
                assert upload_by_form(analyst, session_id, transcript(session_id)).is_success

            running = threading.Thread(target=trigger, args=(target.operator(),))
            running.start()
            time.sleep(rng.uniform(0.02, 0.3))
            server.kill()
            running.join()
        server.start()
        with target_of(server) as target:
            target.process_usage()
            demo = DemoMarketplace(target, target.admin(), demo.repository, demo.slug)
            card = demo.card(target.sign_in(email), "finops")
            assert (card["invocations_30d"], card["distinct_users_30d"]) == (sent * round_, 1)


def trigger(operator: Visitor) -> None:
    with contextlib.suppress(httpx.TransportError):
        ask(operator, "POST", "/api/admin/run-session-processor?processor=usage")
