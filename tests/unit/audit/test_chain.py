"""The chain of the audit holds over commits, groups, archiving, restores and retention, and shows whatever was changed since."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import duckdb
import pytest

from agnes.audit import verify
from agnes.audit.verify import AuditChainBroken, Verified
from agnes.kernel.chain import GENESIS, ChainHead, chained, digest_of
from agnes.kernel.errors import ConflictError
from agnes.kernel.ports import ANYTHING
from agnes.kernel.state import Change
from agnes.state import StateFiles, packaged
from tests.unit.audit.test_archive import DAY, FILES, NOW, Archive

pytestmark = pytest.mark.slow

LINE = {
    "at": NOW, "id": "01", "user_id": "u1", "email": "ada@example.com", "action": "user.create", "resource": "user:2",
    "params": '{"email": "b\\u00f6b@example.com"}', "before": None, "result": "ok", "duration_ms": 0.1,
    "client_ip": "", "client_kind": "web", "request_id": "r1",
}  # fmt: skip


class Installation(Archive):
    def verify(self, **how) -> Verified:
        return verify.verify(self.state, self.memory, clock=self.clock, **how)

    def faults(self) -> str:
        with pytest.raises(AuditChainBroken) as broken:
            self.verify()
        return broken.value.message

    def change(self, file: str, sql: str) -> None:
        """By hand, past `record`."""
        self.state.commit(file, lambda tx: tx.db.execute(sql).fetchall())

    def archived(self, part: str) -> str:
        return next(entry.key for entry in self.memory.list("audit/archive/") if part in entry.key)

    def rewrite(self, key: str, select: str) -> None:
        """Store an archived file again as what a SELECT from it gives."""
        path, out = self.folder / "in.parquet", self.folder / "out.parquet"
        path.write_bytes(self.memory.read(key).body)
        source = select.format(f"'{path}'")
        duckdb.sql(f"COPY ({source}) TO '{out}' (FORMAT parquet)")
        self.memory.write(key, out.read_bytes(), expect=ANYTHING)


@pytest.fixture(scope="module")
def nine_days(tmp_path_factory):
    """Lines of nine days in both files and as objects; the older ones are archived. What the store holds then."""
    found = Installation(tmp_path_factory.mktemp("made"))
    for number in range(9, 0, -1):
        for place in ("people", "stack", "object"):
            found.line(place, NOW - number * DAY, f"{place}{number}")
    found.run()
    found.state.close()
    return found.memory._held


@pytest.fixture
def lived(nine_days, tmp_path):
    found = Installation(tmp_path, nine_days)
    yield found
    found.state.close()


def test_a_digest_is_of_everything_that_a_line_says():
    digest = digest_of("people", 1, GENESIS, LINE)
    others = {
        digest_of("stack", 1, GENESIS, LINE),
        digest_of("people", 2, GENESIS, LINE),
        digest_of("people", 1, "1" * 64, LINE),
        *(
            digest_of("people", 1, GENESIS, LINE | {name: "other"})
            for name in LINE
            if name not in ("at", "duration_ms")
        ),
        digest_of("people", 1, GENESIS, LINE | {"at": NOW + timedelta(microseconds=1)}),
        digest_of("people", 1, GENESIS, LINE | {"duration_ms": 0.2}),
    }
    assert len(others) == len(LINE) + 3
    assert digest not in others
    # Computed with sha256sum: what is stored today must verify in ten years.
    assert digest == "d4dc6fa9127ba109443083b11237362058e0d24fa3aeb4e4924ce0fcbf86efd5"


def test_places_follow_one_another():
    links, head = chained("people", ChainHead(), [LINE, LINE | {"id": "02"}])
    assert [link.seq for link in links] == [1, 2]
    assert (links[0].previous, links[1].previous, head) == (GENESIS, links[0].digest, ChainHead(2, links[1].digest))


def test_whole_through_archiving(lived):
    found = lived.verify()
    assert (
        found.chains["people"].lines == 9 + 1 + 9
    )  # its own, one for those that were moved, and the head of the objects for each day
    assert found.chains["stack"].lines == 9 + 1
    assert found.chains["objects"].lines == 9
    assert (found.without_digest, found.waiting) == (0, 0)
    lived.run()
    assert lived.verify() == found


def test_changes_of_one_generation_and_refused_ones(lived):
    """Threads of one process are made one generation; what was refused leaves no line and no gap."""

    def refuse(tx) -> None:
        tx.record(Change("test.refused", "x:", {}))
        raise ConflictError("no")

    def ask(number: int) -> None:
        if number % 3:
            lived.state.commit("stack", lambda tx: tx.record(Change("test.crowd", f"x:{number}", {})))
        else:
            with pytest.raises(ConflictError):
                lived.state.commit("stack", refuse)

    before = lived.verify().chains["stack"].lines
    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lived.verify().chains["stack"].lines == before + 8


def test_many_lines_of_one_change(lived):
    def change(tx) -> None:
        for number in range(250):
            tx.record(Change("test.many", f"x:{number}", {"n": number}))

    before = lived.verify().chains["stack"].lines
    lived.state.commit("stack", change)
    assert lived.verify().chains["stack"].lines == before + 250


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("UPDATE stack.audit SET params = '{}' WHERE resource = 'x:stack2'", "was changed"),
        ('UPDATE stack.audit SET "at" = "at" - INTERVAL 1 SECOND WHERE resource = \'x:stack2\'', "was changed"),
        ("UPDATE stack.audit SET user_id = 'other' WHERE resource = 'x:stack1'", "was changed"),
        ("DELETE FROM stack.audit WHERE resource = 'x:stack2'", "what was before line"),
        ("DELETE FROM stack.audit WHERE action = 'audit.archive'", "with which the last verification found"),
        ("UPDATE stack.audit SET seq = NULL WHERE resource = 'x:stack2'", "what was before line"),
        (
            "INSERT INTO stack.audit SELECT * REPLACE ('forged' AS id) FROM stack.audit WHERE resource = 'x:stack2'",
            "was changed",
        ),
        (
            "INSERT INTO stack.audit SELECT * REPLACE ('forged' AS id, NULL AS seq) FROM stack.audit WHERE seq = 9",
            "without a digest",
        ),
        ("UPDATE stack.audit_heads SET seq = 99", "with which the state file says that it ends"),
    ],
)
def test_what_was_changed_in_a_state_file_shows(lived, sql, fault):
    lived.verify()
    lived.change("stack", sql)
    assert fault in lived.faults()


@pytest.mark.parametrize(
    ("source", "select", "fault"),
    [
        ("people", "SELECT * REPLACE ('{{}}' AS params) FROM {}", "was changed"),
        ("people", "SELECT * FROM {} WHERE false", "what was before line"),
        ("objects", "SELECT * FROM {} WHERE false", "what was before line"),
        ("objects", "SELECT * REPLACE ('ok' AS result, 'x' AS email) FROM {}", "was changed"),
    ],
)
def test_what_was_changed_in_the_archive_shows(lived, source, select, fault):
    lived.verify()
    lived.rewrite(lived.archived(f"day={NOW - 6 * DAY:%Y-%m-%d}/{source}-"), select)
    assert fault in lived.faults()


def test_a_removed_and_an_unreadable_file_show(lived):
    lived.verify()
    key = lived.archived(f"day={NOW - 6 * DAY:%Y-%m-%d}/stack-")
    body = lived.memory.read(key).body
    lived.memory.write(key, body[:40] + b"\0" + body[41:60], expect=ANYTHING)
    assert f"{key} cannot be read" in lived.faults()
    lived.memory.remove([key])
    assert "what was before line" in lived.faults()


def test_a_chain_that_was_cut_off_with_its_head_shows(lived):
    """Whoever removes the end and puts the head back makes a chain that is whole; but it was longer once."""
    end = lived.verify().chains["stack"]
    lived.change("stack", f"DELETE FROM stack.audit WHERE seq = {end.seq}")
    lived.change(
        "stack",
        f"UPDATE stack.audit_heads SET seq = {end.seq - 1}, digest = (SELECT digest FROM stack.audit WHERE seq = {end.seq - 1})",
    )
    assert f"line {end.seq} of stack, with which the last verification found" in lived.faults()


def test_a_restored_file_goes_on_from_there(lived):
    generation = lived.state.generation("stack")
    for word in ("a", "b"):
        lived.line("stack", NOW - 6 * DAY, word)
    lived.run()
    lived.verify()
    lived.state.restore("stack", generation)
    lived.state.restore("stack", generation)
    lived.line("stack", NOW, "after")
    lived.verify()
    lived.run()
    lived.verify()
    lived.state.restore("people", 1)  # its head of the objects goes back with it
    lived.line("object", NOW - 2 * DAY, "later")
    lived.run()
    assert lived.verify().chains["objects"].lines == 10


def test_retention_removes_the_beginning_and_says_so(lived):
    found = lived.verify()
    dry = lived.run(retention_days=7, dry_run=True)
    assert dry.pruned_files == 6
    assert lived.verify() == found
    assert lived.run(retention_days=7).pruned_files == 6
    kept = lived.verify()
    assert kept.pruned_through == {"objects": 2, "people": 2, "stack": 2}
    assert (kept.chains["objects"].lines, kept.chains["stack"].lines) == (7, 8)
    assert lived.run(retention_days=7).pruned_files == 0
    lived.clock.sleep(timedelta(days=2).total_seconds())
    assert lived.run(retention_days=7).pruned_files == 6
    assert lived.verify().pruned_through == {"objects": 4, "people": 4, "stack": 4}
    lived.memory.remove([lived.archived("/stack-")])
    assert "what was before line" in lived.faults()


def test_a_retention_never_reaches_what_was_just_archived(lived):
    assert lived.run(retention_days=1).pruned_files == 9
    assert lived.run(retention_days=1).pruned_files == 0
    assert lived.verify().pruned_through["stack"] == 3


def test_lines_of_the_release_before_have_no_digest(tmp_path):
    """While a release rolls out, functions of both write; the archive of before has files without the new columns."""
    found = Installation(tmp_path)
    old = StateFiles(
        found.store,
        clock=found.clock,
        cache_dir=tmp_path / "old",
        max_stale_seconds=0,
        migrations=FILES | {"common": packaged()["common"][:1]},
    )
    old.commit("stack", lambda tx: tx.record(Change("test.line", "x:old", {"word": "old"})))
    old.commit("people", lambda tx: tx.record(Change("test.line", "x:old", {"word": "old"})))
    found.line("stack", NOW, "new")
    old.commit("stack", lambda tx: tx.record(Change("test.line", "x:old", {"word": "late"})))
    found.line("stack", NOW, "newer")
    report = found.verify()
    assert (report.chains["stack"].lines, report.without_digest) == (2, 3)
    found.clock.sleep(timedelta(days=5).total_seconds())
    found.run()
    assert found.verify().without_digest == 3
    key = found.archived("/stack-")
    found.rewrite(key, "SELECT * EXCLUDE (chain, seq, previous, digest) FROM {} WHERE seq IS NULL")
    found.run()
    old.close()
    found.state.close()


def test_what_was_remembered_is_damaged(lived):
    lived.verify()
    body = json.loads(lived.memory.read(verify.HEADS).body)
    lived.memory.write(verify.HEADS, json.dumps(body | {"stack": [1, "0"]}).encode(), expect=ANYTHING)
    assert "heads.json is damaged" in lived.faults()
    assert lived.verify().chains, "it is told once, and remembered anew"
