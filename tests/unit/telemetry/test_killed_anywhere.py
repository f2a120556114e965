"""SIGKILL between every two steps of an upload and of a run, and then the same again: the figures of an undisturbed one.

What a death leaves is what the store held: each such moment of one undisturbed run is where another process begins.
"""

from __future__ import annotations

import hashlib
from itertools import combinations

import duckdb
import pytest

from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal
from agnes.telemetry.extraction import redaction
from agnes.telemetry.transcripts import packed, uploads
from agnes.telemetry.transcripts.tombstones import SessionRedacted
from tests.builders.transcripts import Transcript
from tests.unit.telemetry.killing_store import CHANGES, KillingStore, Moment
from tests.unit.telemetry.plant import USER, Plant

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
WHO = Principal(USER, "mira@example.com", "Mira")
SECRET = Secret("s")


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
    """One session known, which has grown, and a new one; from here on everything is noted."""
    plant = Plant(folder, wrap=KillingStore)
    plant.upload(work(A), A)
    plant.run()
    plant.upload(work(A, more=True), A)
    plant.upload(work(A), A, agent="a1")
    plant.upload(work(B), B)
    plant.store.arm(None)
    return plant


def left(folder, moment: Moment) -> Plant:
    """Another process, after the claim of the dead one has ended."""
    plant = Plant(folder)
    plant.memory._held = dict(moment.held)
    plant.clock.sleep((moment.at - plant.clock.now()).total_seconds() + 121)
    return plant


def deaths(plant: Plant) -> list[Moment]:
    """The moments of all that was done, each of which the store must have let be noted."""
    store: KillingStore = plant.store
    assert len(store.moments) == 1 + sum(verb in CHANGES for verb, _ in store.log)
    return store.moments


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    plant = prepared(tmp_path_factory.mktemp("undisturbed"))
    plant.run()
    assert {verb for verb, _ in plant.store.log} == {"read", "write", "list", "remove"}
    moments = deaths(plant)
    tables = plant.tables()
    plant.state.close()
    return moments, tables


def test_every_step_of_a_run(undisturbed, tmp_path):
    moments, tables = undisturbed
    for number, moment in enumerate(moments):
        plant = left(tmp_path / str(number), moment)
        plant.run()
        assert plant.tables() == tables, f"killed after {moment.after}"
        assert plant.keys("inbox/") == []
        assert plant.run().sessions == 0
        plant.state.close()


def in_any_order(moments: list[Moment], *, last: int) -> list[Moment]:
    """The moments if the last changes, which come side by side, had been done in any other order."""
    *before, base = moments[:-last]
    end = moments[-1].held
    changed = [key for key in {*base.held, *end} if base.held.get(key) != end.get(key)]
    assert len(changed) == last
    found = []
    for count in range(last + 1):
        for done in combinations(changed, count):
            held = {key: value for key, value in base.held.items() if key not in done}
            held |= {key: end[key] for key in done if key in end}
            found.append(Moment(f"{base.after}, {', '.join(done)}", base.at, held))
    return [*before, *found]


def push(store, plant: Plant, body: bytes) -> uploads.Completed:
    """What a client does; from the beginning again whenever it got no answer."""
    packed_body = packed.pack(body)
    sha256 = hashlib.sha256(packed_body).hexdigest()
    where = uploads.presign(
        store,
        SECRET,
        WHO,
        session_id=A,
        agent_id=None,
        size_bytes=len(packed_body),
        sha256=sha256,
        now=plant.clock.now(),
    )
    put = plant.memory.open_presigned_url("PUT", where.url)
    plant.memory.take_presigned(put, [packed_body], content_type=where.headers["Content-Type"])
    return uploads.complete(store, SECRET, WHO, where.upload_id, now=plant.clock.now())


def test_every_step_of_an_upload(tmp_path):
    body = work(A, more=True)
    whole = Plant(tmp_path / "whole", wrap=KillingStore)
    whole.store.arm(None)
    assert push(whole.store, whole, body).status == "stored"
    counted, confirmed = ["read", "list", "list", "write"], ["write"]
    verbs = [*["read"] * 4, *counted, "write", "read", "write"]
    asked = [verb for verb, _ in whole.store.log]
    assert asked[: len(verbs)] == verbs
    assert sorted(asked[len(verbs) :]) == sorted([*confirmed, "remove", "write"]), "side by side"
    moments = in_any_order(deaths(whole), last=3)
    assert len(moments) == 4 + 2**3 - 1
    whole.run()
    tables = whole.tables()
    whole.state.close()
    for number, moment in enumerate(moments):
        plant = left(tmp_path / str(number), moment)
        plant.run()  # what was not acknowledged is harmless
        assert push(plant.store, plant, body).status in ("stored", "unchanged")
        plant.run()
        assert plant.tables() == tables, f"killed after {moment.after}"
        assert plant.keys("uploads/") == []
        assert plant.keys("audit/session_upload/")
        plant.state.close()


def test_a_completed_upload_may_be_completed_again(tmp_path):
    plant = Plant(tmp_path)
    body = packed.pack(work(A))
    sha256 = hashlib.sha256(body).hexdigest()
    where = uploads.presign(
        plant.store,
        SECRET,
        WHO,
        session_id=A,
        agent_id=None,
        size_bytes=len(body),
        sha256=sha256,
        now=plant.clock.now(),
    )
    plant.memory.write(f"uploads/{USER}/{A}/main-{sha256}.zst", body, expect=uploads.ANYTHING)
    first = uploads.complete(plant.store, SECRET, WHO, where.upload_id, now=plant.clock.now())
    again = uploads.complete(plant.store, SECRET, WHO, where.upload_id, now=plant.clock.now())
    assert (first.status, again.status, first.size) == ("stored", "unchanged", again.size)


def test_every_step_of_a_redaction(undisturbed, tmp_path):
    """Repeated after any death it leaves nothing of the session anywhere, and the figures of a house without it."""
    without = Plant(tmp_path / "without")
    without.upload(work(B), B)
    without.run()
    expected = without.tables()
    without.state.close()

    def redact(plant: Plant):
        return redaction.redact_session(plant.state, plant.store, USER, A, clock=plant.clock)

    whole = Plant(tmp_path / "whole", wrap=KillingStore)
    whole.memory._held = dict(undisturbed[0][-1].held)
    whole.store.arm(None)
    redact(whole)
    whole.state.close()
    assert {verb for verb, _ in whole.store.log} == {"read", "write", "list", "remove"}
    for number, moment in enumerate(deaths(whole)):
        where = f"killed after {moment.after}"
        plant = left(tmp_path / str(number), moment)
        plant.run()  # a schedule may come first
        assert redact(plant).derived == "removed", where
        assert plant.tables() == expected, where
        assert traces(plant, A) == [], where
        with pytest.raises(SessionRedacted):
            push(plant.store, plant, work(A, more=True))
        assert plant.keys("inbox/") == [], where  # so the next run has nothing to do
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
