"""SIGKILL between every two steps of an upload and of a run, and then the same again: the figures of an undisturbed one."""

from __future__ import annotations

import hashlib

import duckdb
import pytest

from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal
from agnes.telemetry.extraction import redaction
from agnes.telemetry.transcripts import packed, uploads
from agnes.telemetry.transcripts.tombstones import SessionRedacted
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.killing_store import Killed, KillingStore
from tests.unit.telemetry.plant import USER, Plant

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
WHO = Principal(USER, "mira@example.com", "Mira")
SECRET = Secret("s")
HELD: dict = {}
"""The store as prepared the first time; objects are immutable, so copies of it are cheap."""


def work(session: str, *, more: bool = False) -> bytes:
    t = Transcript(session)
    t.prompt("Forecast")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    if more:
        t.result(t.use("Bash", command="false", attribution={"attributionPlugin": "finops"}), "no", is_error=True)
        t.at = t.at.replace(day=21)
        t.use("Agent", subagent_type="finops:auditor")
    return t.body()


def prepared(folder) -> Plant:
    """One session known, which has grown, and a new one; the store not yet armed."""
    plant = Plant(folder, wrap=KillingStore)
    if HELD:
        plant.memory._held = dict(HELD)
        return plant
    plant.upload(work(A), A)
    plant.run()
    plant.upload(work(A, more=True), A)
    plant.upload(work(A), A, agent="a1")
    plant.upload(work(B), B)
    HELD.update(plant.memory._held)
    return plant


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plant = prepared(tmp_path_factory.mktemp("undisturbed"))
    plant.store.arm(None)
    plant.run()
    calls = list(plant.store.log)
    tables = plant.tables()
    plant.state.close()
    return calls, tables


@pytest.mark.slow
def test_every_step_of_a_run(undisturbed, tmp_path):
    calls, tables = undisturbed
    verbs = {verb for verb, _ in calls}
    assert verbs == {"read", "write", "list", "remove"}
    for number, (verb, key) in enumerate(calls):
        for after in (False, True) if verb in ("write", "remove") else (False,):
            plant = prepared(tmp_path / f"{number}-{after}")
            plant.store.arm(number, after=after)
            with pytest.raises(Killed):
                plant.run()
            plant.store.arm(None)
            plant.reborn()
            plant.run()
            assert plant.tables() == tables, f"killed {'after' if after else 'before'} {verb} {key}"
            assert plant.keys("inbox/") == []
            assert plant.run().sessions == 0
            plant.state.close()


def push(store, plant: Plant, body: bytes) -> uploads.Completed:
    """What a client does; from the beginning again whenever it got no answer."""
    packed_body = packed.pack(body)
    sha256 = hashlib.sha256(packed_body).hexdigest()
    where = uploads.presign(store, SECRET, WHO, session_id=A, agent_id=None, size_bytes=len(packed_body), sha256=sha256)
    put = plant.memory.open_presigned_url("PUT", where.url)
    plant.memory.take_presigned(put, [packed_body], content_type=where.headers["Content-Type"])
    return uploads.complete(store, SECRET, WHO, where.upload_id, now=plant.clock.now())


def test_every_step_of_an_upload(tmp_path):
    body = work(A, more=True)
    whole = Plant(tmp_path / "whole", wrap=KillingStore)
    assert push(whole.store, whole, body).status == "stored"
    calls = list(whole.store.log)
    whole.run()
    tables = whole.tables()
    verbs = ["read", "read", "read", "read", "write", "read", "write", "remove", "write"]
    assert [verb for verb, _ in calls] == verbs
    for number in range(len(calls)):
        for after in (False, True):
            plant = Plant(tmp_path / f"{number}-{after}", wrap=KillingStore)
            plant.store.arm(number, after=after)
            with pytest.raises(Killed):
                push(plant.store, plant, body)
            plant.store.arm(None)
            plant.run()  # what was not acknowledged is harmless
            assert push(plant.store, plant, body).status in ("stored", "unchanged")
            plant.run()
            assert plant.tables() == tables
            assert plant.keys("uploads/") == []
            assert plant.keys("audit/session_upload/")
            plant.state.close()
    whole.state.close()


def test_a_completed_upload_may_be_completed_again(tmp_path):
    plant = Plant(tmp_path)
    body = packed.pack(work(A))
    sha256 = hashlib.sha256(body).hexdigest()
    where = uploads.presign(plant.store, SECRET, WHO, session_id=A, agent_id=None, size_bytes=len(body), sha256=sha256)
    plant.memory.write(f"uploads/{USER}/{A}/main-{sha256}.zst", body, expect=uploads.ANYTHING)
    first = uploads.complete(plant.store, SECRET, WHO, where.upload_id, now=plant.clock.now())
    again = uploads.complete(plant.store, SECRET, WHO, where.upload_id, now=plant.clock.now())
    assert (first.status, again.status, first.size) == ("stored", "unchanged", again.size)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """The store after everything was extracted: a copy of it is cheaper than a run."""
    plant = prepared(tmp_path_factory.mktemp("extracted"))
    plant.store.arm(None)
    plant.run()
    plant.state.close()
    return dict(plant.memory._held)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_step_of_a_redaction(extracted, tmp_path):
    """Repeated after any death it leaves nothing of the session anywhere, and the figures of a house without it."""
    without = Plant(tmp_path / "without")
    without.upload(work(B), B)
    without.run()
    expected = without.tables()
    without.state.close()

    def redact(plant: Plant):
        return redaction.redact_session(plant.state, plant.store, USER, A, clock=plant.clock)

    def known(name: str) -> Plant:
        plant = Plant(tmp_path / name, wrap=KillingStore)
        plant.memory._held = dict(extracted)
        return plant

    whole = known("whole")
    whole.store.arm(None)
    redact(whole)
    calls = list(whole.store.log)
    whole.state.close()
    assert {verb for verb, _ in calls} == {"read", "write", "list", "remove"}
    for number, (verb, key) in enumerate(calls):
        for after in (False, True) if verb in ("write", "remove") else (False,):
            where = f"killed {'after' if after else 'before'} {verb} {key}"
            plant = known(f"{number}-{after}")
            plant.store.arm(number, after=after)
            with pytest.raises(Killed):
                redact(plant)
            plant.store.arm(None)
            plant.reborn()
            plant.run()  # a schedule may come first
            assert redact(plant).derived == "removed", where
            assert plant.tables() == expected, where
            assert traces(plant, A) == [], where
            with pytest.raises(SessionRedacted):
                push(plant.store, plant, work(A, more=True))
            plant.run()
            assert plant.tables() == expected, where
            plant.state.close()


CLEAN: set[bytes] = set()
"""Files that were looked into, and hold nothing of the session."""


def traces(plant: Plant, session: str) -> list[str]:
    """Keys that name the session, and event files that hold it."""
    found = [key for key in plant.keys("") if session in key]
    for key in plant.keys("telemetry/"):
        body = plant.memory.read(key).body
        if body in CLEAN:
            continue
        path = plant.folder / "looked-at.parquet"
        path.write_bytes(body)
        names = [row[0] for row in duckdb.sql(f"DESCRIBE SELECT * FROM '{path}'").fetchall()]
        if "session_id" in names and duckdb.sql(f"FROM '{path}' WHERE session_id = '{session}'").fetchall():
            found.append(key)
        else:
            CLEAN.add(body)
    return found
