"""Small objects of the store: each kind, each damage, each reader. No reader fails by it, and what is written again is whole.

One installation has used all of them once; each case begins with a copy of what its store held, in a process of its own.
Usage data has its matrix in tests/unit/telemetry/test_damage.py, files of plugins in tests/edge/feed/test_damaged_trees.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agnes.kernel import sealed
from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from infra import compose
from tests.builders.acme_team import ENVIRON, WORDS
from tests.builders.house import START, House
from tests.builders.people import add_person, seed_admin, sign_in
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

SETTINGS = {**ENVIRON, "AUDIT_ARCHIVE_AFTER_DAYS": "1"}
HARMS = ("absent", "empty", "truncated", "one bit", "another's", "other JSON", "no zone", "far ahead", "nested deep")
A, B = "5d2c8a10-0001-4f00-9a00-00000000aaaa", "77777777-0002-4f00-9a00-00000000bbbb"
C = "88888888-0003-4f00-9a00-00000000cccc"
FAR = b"3026-11-23T09:00:00Z"


@dataclass
class Case:
    """A process over a copy of the store."""

    house: House
    admin: Any
    mira: Any

    def get(self, path: str) -> Any:
        return self.ok(self.house.get(path, token=self.admin.token))

    def post(self, path: str, body: Any = None) -> Any:
        return self.ok(self.house.post(path, token=self.admin.token, json_body=body))

    def job(self, name: str) -> None:
        started = self.post(f"/api/admin/run/{name}").json()
        run = self.get(f"/api/admin/run/{name}?run_id={started['run_id']}").json()
        assert (run["status"], run["error"]) == ("done", None)

    @staticmethod
    def ok(answer: Any) -> Any:
        assert answer.status < 400, answer.text
        return answer

    def wait(self, days: int) -> None:
        self.house.clock.sleep(timedelta(days=days).total_seconds())
        self.admin = sign_in(self.house, self.admin.email)

    def sign_in(self) -> None:
        wrong = {"email": "mira@example.com", "password": "no"}
        assert self.house.post("/auth/password/login", json_body=wrong).status == 401
        assert sign_in(self.house, "mira@example.com")

    def tokens(self) -> None:
        self.get("/auth/admin/tokens")
        self.ok(self.house.get("/auth/tokens", token=self.mira.token))

    def storage(self) -> None:
        before = self.ok(self.house.get("/api/me/storage", token=self.mira.token)).json()
        assert before["sessions"] == 1
        assert before["stored_bytes"] > 0
        upload(self.house, self.mira, B, talk(B))
        after = self.ok(self.house.get("/api/me/storage", token=self.mira.token)).json()
        assert after["sessions"] == 2
        self.ok(self.house.get("/me/sessions", cookie=self.mira.cookie))
        self.get("/api/admin/sessions/storage")

    def jobs(self) -> None:
        self.get("/api/admin/run")
        self.get("/api/health/detailed")
        self.get("/api/admin/activity/health")
        self.ok(self.house.get("/admin/activity", cookie=self.admin.cookie))
        self.job("ops.prune_state")

    def extract(self) -> None:
        upload(self.house, self.mira, B, talk(B))
        run_usage(self.house, self.admin)
        self.job("telemetry.extract")

    def health(self) -> None:
        for path in ("/api/health", "/api/health/ready", "/api/health/live", "/api/admin/activity/health"):
            self.get(path)

    def exports(self) -> None:
        listed = self.get("/api/admin/usage/exports").json()
        for one in listed if isinstance(listed, list) else listed["exports"]:
            self.get(f"/api/admin/usage/exports/{one['id']}")
        self.post("/api/admin/usage/exports", {"format": "csv"})

    def prune(self) -> None:
        self.job("ops.prune_state")
        self.wait(days=2)
        self.job("ops.prune_state")

    def sweep(self) -> None:
        self.job("feed.sweep")

    def sync(self) -> None:
        self.post("/api/marketplaces/acme/sync")

    def audit(self) -> None:
        self.get("/api/admin/activity?since_minutes=43200")
        self.get("/api/admin/activity/facets")
        self.wait(days=3)
        self.job("audit.archive")


KINDS: dict[str, tuple[str, Callable[[Case], None]]] = {
    "a token's last use": ("tokens/used/", Case.tokens),
    "attempts on an account": ("limits/", Case.sign_in),
    "a quota": ("quotas/", Case.storage),
    "the claim on a marketplace": ("leases/marketplace-sync-acme.json", Case.sync),
    "the claim of the extraction": ("jobs/telemetry.extract/claim.json", Case.extract),
    "a heartbeat": ("jobs/telemetry.extract/last.json", Case.jobs),
    "a dry run's heartbeat": ("jobs/telemetry.extract/dry-run.json", Case.jobs),
    "the kept verdict": ("health/activity.json", Case.health),
    "the probe of the store": ("health/probe.json", Case.health),
    "the boundary of pruning": ("state/people/boundary.json", Case.prune),
    "an export's status": ("exports/", Case.exports),
    "what is unreferenced": ("feed/condemned.json", Case.sweep),
    "a line of the audit": ("audit/run", Case.audit),
    "an archived file of the audit": ("audit/archive/", Case.audit),
}


def talk(session: str) -> bytes:
    t = Transcript(session)
    t.prompt("Forecast Q3")
    t.result(t.use("Bash", command="ls"), "x")
    return t.body()


@dataclass
class World:
    held: dict[str, Any]
    now: Any
    admin: Any
    mira: Any


class Sent(list):
    """The port of queues, as a list."""

    def send(self, messages: Any) -> None:
        self.extend(messages)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    compose.write_openapi(compose.compose())
    clock = FixedClock(START)
    with House(folder, environ=SETTINGS, clock=clock, store=MemoryStore(clock=clock), queue=Sent()) as house:
        admin = seed_admin(house)
        mira, noah = (add_person(house, admin, f"{name}@example.com") for name in ("mira", "noah"))
        case = Case(house, admin, mira)
        market = SampleMarketplace(folder / "m.git")
        case.post("/api/marketplaces", {**WORDS, "url": market.url})
        case.sync()
        for person in (mira, noah, admin):
            made = house.post("/auth/tokens", token=person.token, json_body={"name": "laptop"}).json()
            case.ok(house.get("/api/me", token=made["token"]))
            wrong = {"email": person.email, "password": "no"}
            assert house.post("/auth/password/login", json_body=wrong).status == 401
        for person, session in ((mira, A), (noah, C)):
            upload(house, person, session, talk(session))
        run_usage(house, admin)
        for job in ("telemetry.extract", "feed.sweep", "ops.prune_state"):
            for dry_run in ("true", "false"):
                case.post(f"/api/admin/run/{job}?dry_run={dry_run}")
        for _ in range(2):
            case.post("/api/admin/usage/exports", {"format": "csv"})
        case.health()
        for file in ("people", "stack"):
            key = f"state/{file}/boundary.json"
            house.store.write(key, sealed.seal(key, b'{"generation":1}'), expect=ANYTHING)
        case.wait(days=3)
        case.job("audit.archive")
        house.post("/api/admin/run/telemetry.extract", token=case.admin.token)
        case.post("/api/admin/usage/exports", {"format": "csv"})
        case.get("/api/admin/activity")
        admin, mira = sign_in(house, admin.email), sign_in(house, mira.email)
        wrong = {"email": mira.email, "password": "no"}
        for email in (mira.email, "noah@example.com"):
            assert house.post("/auth/password/login", json_body={**wrong, "email": email}).status == 401
        case.health()
        for key in ("feed/condemned.json", "feed/other.json"):
            condemned = {"trees": {"0" * 64: clock.now().isoformat()}, "assets": {}}
            house.store.write(key, sealed.seal(key, json.dumps(condemned).encode()), expect=ANYTHING)
        house.state.close()
        return World(dict(house.store._held), clock.now(), admin, mira)


@pytest.fixture
def case(world: World, tmp_path: Path):
    clock = FixedClock(world.now)
    store = MemoryStore(clock=clock)
    store._held = dict(world.held)
    with House(tmp_path, environ=SETTINGS, clock=clock, store=store, queue=Sent()) as house:
        yield Case(house, world.admin, world.mira)
        house.state.close()


def harmed(store: MemoryStore, key: str, how: str) -> bytes | None:
    body = store.read(key).body
    middle = len(body) // 2
    ending = key.rpartition(".")[2]
    others = [entry.key for entry in store.list("") if entry.key != key and entry.key.endswith(ending)]
    same_name = [other for other in others if other.rpartition("/")[2] == key.rpartition("/")[2]]
    same_kind = [other for other in others if other.partition("/")[0] == key.partition("/")[0]]
    match how:
        case "absent":
            return None
        case "empty":
            return b""
        case "truncated":
            return body[:middle]
        case "one bit":
            return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        case "another's":
            return store.read([*same_name, *same_kind, *others][0]).body
        case "other JSON":
            return b'{"at": 7, "count": "x", "attempts": ["x", 1e99], "generation": 1e999, "day": 3, "expires": true}'
        case "no zone":
            return (
                b'{"at": "2026-11-23T09:00:00", "owner": "x", "until": "2026-11-23T09:00:00", "ip": "", "expires":'
                b' "3026-11-23T09:00:00", "generation": 99999999, "nonce": "", "seconds": "x", "ok": true, "error": 1,'
                b' "run_id": 1, "report": 1, "day": "2026-11-23", "unsure": {"x": "2026-11-23T09:00:00"}}'
            )
        case "nested deep":
            return b'{"at":' + b"[" * 100_000
        case "far ahead":
            return (
                b'{"at": "%b", "owner": "x", "until": "%b", "expires": "%b", "attempts": [33346400000.0],'
                b' "generation": 1, "nonce": ""}' % (FAR, FAR, FAR)
            )
    raise AssertionError(how)


@pytest.mark.parametrize("how", HARMS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_reader_fails(case: Case, caplog: pytest.LogCaptureFixture, kind: str, how: str) -> None:
    prefix, use = KINDS[kind]
    store = case.house.store
    keys = [entry.key for entry in store.list(prefix)]
    assert keys, f"nothing wrote {prefix}"
    found = {key: harmed(store, key, how) for key in keys}
    for key, body in found.items():
        store.remove([key])
        if body is not None:
            store.write(key, body, expect=ANYTHING)
    caplog.set_level(logging.ERROR)
    use(case)
    assert not [line.getMessage() for line in caplog.records if "unexpected" in line.getMessage()]
