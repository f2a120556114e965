"""`agnes push` beside transcripts: the workspace's CLAUDE.local.md, and which knowledge its sessions began with."""

from __future__ import annotations

import json
import random
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import pytest

from agnes_cli import notes, sessions_with
from tests.builders.people import Person
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow
A, B = (str(uuid5(NAMESPACE_URL, f"cli-notes/{name}")) for name in "ab")


def rows(office, sql: str) -> list[tuple[object, ...]]:
    with office.house.state.read("knowledge") as db:
        return db.execute(sql).fetchall()


def item_of(office, who: Person) -> str:
    fact = {"title": "Net revenue", "content": "It excludes refunds.", "domain": "finance"}
    item = office.house.post("/api/knowledge", token=who.token, json_body=fact).json()["item_id"]
    done = office.house.post(f"/api/admin/knowledge/items/{item}/approve", token=office.admin.token, json_body={})
    assert done.status == 200
    return item


def test_the_note_goes_when_it_has_changed(office) -> None:
    office.sign_in()
    laptop = office.laptop
    note = laptop.workspace / "CLAUDE.local.md"
    assert laptop.push()["note_sent"] is False
    note.write_text("The ledger closes on the third working day.\n\nMy key is AKIA" + "QW7B3PDKHX4PY8GT\n")
    assert json.loads(laptop.agnes("push", "--json", "--dry-run").stdout) == {"would_send": ["CLAUDE.local.md"]}
    assert rows(office, "FROM knowledge.notes") == [], "a dry run sends nothing"
    assert laptop.push()["note_sent"] is True
    [(workspace, blocks)] = rows(office, "SELECT workspace, blocks::VARCHAR FROM knowledge.notes")
    assert workspace == notes.workspace_id(laptop.workspace)
    assert "third working day" in str(blocks)
    assert "QW7B3PDKHX4PY8GT" not in str(blocks)
    assert laptop.push()["note_sent"] is False, "it has not changed"
    (laptop.claude / "CLAUDE.local.md").write_text("Cost centre 410 is marketing.")
    assert laptop.push()["note_sent"] is True, "the client reads this one too"
    note.write_text("<!-- agnes: private -->\nThe ledger closes.")
    assert laptop.push()["note_sent"] is True
    assert rows(office, "SELECT blocks::VARCHAR FROM knowledge.notes") == [("[]",)], "what was not read is withdrawn"
    assert laptop.push()["note_sent"] is False


def test_a_server_of_an_earlier_release_or_none_stops_no_push(office) -> None:
    office.sign_in()
    (office.laptop.workspace / "CLAUDE.local.md").write_text("x" * 200_000)
    assert office.laptop.push()["note_sent"] is False, "too long to be sent"
    (office.laptop.workspace / "CLAUDE.local.md").write_text("A fact.")
    done = office.laptop.agnes("push", "--json", AGNES_SERVER="http://127.0.0.1:9")
    assert (done.returncode, json.loads(done.stdout)["note_sent"]) == (0, False)
    assert office.laptop.push()["note_sent"] is True, "the next push sends it"


def test_what_sessions_began_with(office) -> None:
    office.sign_in()
    laptop = office.laptop
    item = item_of(office, office.mira)
    assert laptop.agnes("knowledge", "pull").returncode == 0
    for session in (A, B):
        laptop.capture(session, laptop.transcript(session, _session(session)))
    assert laptop.agnes("mark-private", CLAUDE_CODE_SESSION_ID=B).returncode == 0
    laptop.push()
    assert rows(office, "SELECT session_id, items FROM knowledge.loads JOIN knowledge.load_sets ON id = set_id") == [
        (A, [item])
    ]
    assert laptop.file("agnes-sessions-knowledge.txt") == "", "told, and the private one forgotten"


def test_a_hook_never_fails_and_hostile_files_are_no_ids(tmp_path: Path) -> None:
    sessions_with.note(tmp_path, A)
    assert list(tmp_path.iterdir()) == []
    sessions_with.write(tmp_path, ["ok", "../x", "a\tb"])
    sessions_with.note(tmp_path, A)
    (tmp_path / ".claude" / "agnes-knowledge.json").write_text('{"items": 7}')
    sessions_with.note(tmp_path, B)
    assert (tmp_path / ".claude" / "agnes-sessions-knowledge.txt").read_text() == f"{A}\tok\n"


def _session(session: str) -> bytes:
    made = Transcript(session=session, rng=random.Random(session))
    made.prompt("What is net revenue?")
    return made.body()
