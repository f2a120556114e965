"""Each route that writes, each schedule and each queue, while a state file or the small objects of the store are damaged.

None of them ends in an internal error. One that needs what is damaged says so, names it and the command to run, and
works when it is sent again after the repair; the others work as they do when all is whole. What was acknowledged
beside the damage is there after the repair, once. `tests/builders/every_write.py` has the table of routes.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from pathlib import Path

import pytest

from agnes.kernel.ports import ANYTHING, Blob
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.copied_installation import FILES, JOBS, Installation, Process, Write

HARMS = ("unreadable head", "no head", "truncated material")
OBJECT_HARMS = ("absent", "empty", "truncated", "one bit", "another's")
QUICK = {("flea", "no head"), ("telemetry", "unreadable head"), ("stack", "truncated material")}
"""In `make test`; the rest is in `make attack`."""
CASES = [
    pytest.param(file, how, marks=() if (file, how) in QUICK else pytest.mark.attack) for file in FILES for how in HARMS
]


@pytest.fixture(scope="module")
def whole(used: Installation, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, int], Counter[str]]:
    """The status of each write where nothing is damaged, and what there is after all of them, the queues and the schedules."""
    process = used.opened(tmp_path_factory.mktemp("whole"))
    with process.house as house:
        statuses = {write.name: process.send(write).status for write in used.writes}
        failed = {w.name: statuses[w.name] for w in used.writes if w.is_valid and statuses[w.name] >= 400}
        assert failed == REFUSED
        settle(process)
        done = process.done()
        house.state.close()
    return statuses, done


REFUSED = {"POST /setup": 403, "POST /auth/bootstrap": 403, "POST /marketplace.git/git-receive-pack": 403}
"""Writes that are refused when all is whole, too."""


REPEATED = (".audit", ".syncs", "tables.runs", ": marketplace.sync", ".batches", ".retired")
"""What counts runs, and how events are cut into files."""


def settle(process: Process, *, audit_is_whole: bool = True) -> None:
    """Run the queues and every schedule, which must succeed; but that a damaged audit is told is what `audit.verify` is for."""
    for _ in range(3):
        assert process.consume() == []
    for job in JOBS:
        run = process.run(job)
        if job == "audit.verify" and not audit_is_whole and not run["ok"]:
            assert "the audit is not what was written" in str(run["error"]), run
            continue
        assert run["ok"], (job, run)
    assert process.consume() == []


def harm(store: MemoryStore, file: str, how: str) -> dict[str, tuple[bytes, bytes | None]]:
    """Damage a state file; key → (what it was, what it is now)."""
    changed: dict[str, tuple[bytes, bytes | None]] = {}
    for entry in list(store.list(f"state/{file}/")):
        is_head = entry.key.endswith("head.json")
        if is_head != (how != "truncated material") or (not is_head and not entry.key.endswith((".duckdb", ".wal"))):
            continue
        found = store.read(entry.key)
        assert isinstance(found, Blob)
        body = found.body
        now = {"unreadable head": b"{", "no head": None}.get(how, body[: len(body) // 2])
        changed[entry.key] = body, now
        if now is None:
            store.remove([entry.key])
        else:
            store.write(entry.key, now, expect=ANYTHING)
    return changed


def body_of(store: MemoryStore, key: str) -> bytes | None:
    found = store.read(key)
    return found.body if isinstance(found, Blob) else None


def problem_of(process: Process, write: Write, expected: int, *, names: str) -> str | None:
    """Send it: None if it went as when all is whole, `503` if it was refused with what to do; else what is wrong."""
    answer = process.send(write)
    if answer.status == expected:
        return None
    if (
        answer.status == 503
        and names in answer.text
        and f"agnes-local state check {names.split('/')[1]}" in answer.text
    ):
        return "503"
    shown = answer.text.partition('role="alert">')[2] or answer.text
    return f"{write.name}: {answer.status} where {expected} was expected: {shown[:300]}"


@pytest.mark.parametrize(("file", "how"), CASES)
def test_a_damaged_state_file_refuses_what_needs_it_and_loses_nothing(
    used: Installation,
    whole: tuple[dict[str, int], Counter[str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    file: str,
    how: str,
) -> None:
    statuses, done = whole
    caplog.set_level(logging.ERROR)
    process = used.opened(tmp_path / "damaged")
    store = process.house.store
    changed = harm(store, file, how)
    with process.house as house:
        found = {
            write.name: problem_of(process, write, statuses[write.name], names=f"state/{file}/")
            for write in used.writes
        }
        wrong = [problem for problem in found.values() if problem not in (None, "503")]
        for job in JOBS:
            run = process.run(job)
            if not run["ok"] and f"state/{file}/" not in str(run["error"]):
                wrong.append(f"{job}: {run}")
        process.consume()
        refused = [write for write in used.writes if found[write.name] == "503"]
        assert not wrong, "\n".join(wrong)
        assert refused, "nothing needs it"
        assert {key: body_of(store, key) for key in changed} == {key: now for key, (_, now) in changed.items()}
        house.state.close()
    for key, (body, _) in changed.items():  # an operator has put back what a backup has
        store.write(key, body, expect=ANYTHING)
    again = used.opened(tmp_path / "repaired")
    again.house.store._held = store._held
    again.house.clock.sleep(120)  # after as many tries to set it up as one address has
    again.house.wiring.queue.extend(process.house.wiring.queue)
    with again.house as house:
        stuck = [problem_of(again, write, statuses[write.name], names=f"state/{file}/") for write in refused]
        assert [problem for problem in stuck if problem] == []
        settle(again)
        now = again.done()
        house.state.close()
    assert not [line.getMessage() for line in caplog.records if "unexpected" in line.getMessage()]
    once = {name for name in done | now if not name.endswith(REPEATED)}
    assert {name: (done[name], now[name]) for name in once if done[name] != now[name]} == {}


MATERIAL = (".duckdb", ".wal", "head.json")
"""Of state files; the test above damages it."""
ASKED_ABOUT = re.compile(
    r"POST /api/upload/sessions/complete|DELETE /api/admin/usage/exports/.*|POST .*decision|POST .*roll(out|back)"
)
"""Writes that are about one stored object, and say so if that one is damaged or gone."""


def kinds(store: MemoryStore) -> dict[str, list[str]]:
    """Every object that is no state file's material, by what it is."""
    found: dict[str, list[str]] = {}
    for entry in store.list(""):
        if entry.key.endswith((*MATERIAL, ".copy.json")) or entry.key.startswith("sign-ins/"):
            continue  # a copy heals its original; who has a damaged sign-in signs in again
        first, _, rest = entry.key.partition("/")
        ending = entry.key.rpartition("/")[2].rpartition(".")[2]
        name = f"{first}/{rest.partition('/')[0]}/{ending}" if first in ("telemetry", "feed") else first
        found.setdefault(name, []).append(entry.key)
    return found


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=() if how == "one bit" else pytest.mark.attack) for how in OBJECT_HARMS]
)
def test_damaged_objects_stop_no_write_and_no_schedule(
    used: Installation,
    whole: tuple[dict[str, int], Counter[str]],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    """All small objects, trees, files of pages, transcripts, events and rollups are damaged at once."""
    statuses, _ = whole
    caplog.set_level(logging.ERROR)
    process = used.opened(tmp_path)
    store = process.house.store
    found = kinds(store)
    assert found.keys() >= KINDS, KINDS - found.keys()
    keys = [key for some in found.values() for key in some]
    bodies = {key: body_of(store, key) or b"" for key in keys}
    for key, other in zip(keys, [*keys[1:], keys[0]], strict=True):
        body = bodies[key]
        changed = {
            "absent": None,
            "empty": b"",
            "truncated": body[: len(body) // 2],
            "one bit": bytes([*body[: len(body) // 2], *(byte ^ 1 for byte in body[len(body) // 2 :][:1])])
            + body[len(body) // 2 + 1 :],
            "another's": bodies[other],
        }[how]
        store.remove([key])
        if changed is not None:
            store.write(key, changed, expect=ANYTHING)
    with process.house as house:
        wrong = []
        for write in used.writes:
            answer = process.send(write)
            if answer.status == statuses[write.name]:
                continue
            is_told = '"hint":"' in answer.text or "Request test" in answer.text
            if not (ASKED_ABOUT.fullmatch(write.name) and is_told and 400 <= answer.status < 500):
                wrong.append(
                    f"{write.name}: {answer.status} where {statuses[write.name]} was expected: {answer.text[:300]}"
                )
        assert not wrong, "\n".join(wrong)
        settle(process, audit_is_whole=False)
        settle(process, audit_is_whole=False)
        process.done()
        house.state.close()
    assert not [line.getMessage() for line in caplog.records if "unexpected" in line.getMessage()]


KINDS = {
    "assets", "audit", "exports", "health", "inbox", "jobs", "leases", "limits", "quotas", "sessions", "tokens", "tombstones",
    "trees", "uploads", "feed/views/json", "feed/zips/json", "feed/zips/zip", "telemetry/events/parquet", "telemetry/rollups/parquet", "state",
}  # fmt: skip
