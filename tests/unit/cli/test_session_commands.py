"""`agnes admin sessions …` against a house in which two people had sessions, one with a subagent and a failed call."""

from __future__ import annotations

import io
import json
import random
import zipfile
from datetime import UTC, datetime

import pytest

from tests.builders.people import add_person
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript
from tests.unit.cli.conftest import EMAIL

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
WAITING = "99999999-0004-4f00-9a00-00000000dddd"
HOSTILE = "all\x1b[31m done\u202e, Mira\r\nbye"


def said(session: str, text: str, *, fails: bool = False) -> Transcript:
    t = Transcript(session, at=datetime(2026, 11, 20, 8, tzinfo=UTC), rng=random.Random(session))
    t.prompt("Forecast Q3")
    t.result(t.use("Bash", command="make"), "no rule" if fails else "ok", is_error=fails)
    t.say([{"type": "text", "text": text}])
    return t


@pytest.fixture
def ada(office):
    """The laptop of an admin."""
    house = office.house
    noah = add_person(house, office.admin, "noah@example.com")
    main, agent = said(A, HOSTILE, fails=True), Transcript(A, agent_id="a1", rng=random.Random(2))
    agent.prompt("look")
    upload(house, office.mira, A, main.body())
    upload(house, office.mira, A, agent.body(), agent_id="a1")
    upload(house, noah, B, said(B, "Done").body())
    run_usage(house, office.admin)
    upload(house, office.mira, WAITING, said(WAITING, "Later").body())
    made = house.post("/auth/tokens", token=office.admin.token, json_body={"name": "laptop"}).json()["token"]
    assert office.laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0
    return office.laptop


def sessions(laptop, *arguments, code=0):
    done = laptop.agnes("admin", "sessions", *arguments)
    assert done.returncode == code, done.stderr
    return done


def test_lists_filter_and_read_on(ada):
    def ids(*arguments):
        return {row["session_id"] for row in json.loads(sessions(ada, "list", *arguments, "--json").stdout)["sessions"]}

    assert ids() == {A, B}
    assert ids("--user", EMAIL) == ids("--errors") == ids("--text", "MIRA@") == {A}
    assert ids("--model", "none-such") == set()
    assert ids("--user", EMAIL, "--everything") == {A, WAITING}
    told = sessions(ada, "list", "--sort", "username", "--ascending", "--limit", "1")
    assert told.stdout.splitlines()[1].split()[2:] == [EMAIL, A, "claude-sonnet-4-6", "1", "1", "1", "740"]
    assert "2 in all; `--offset 1` goes on." in told.stderr
    assert "waits for extraction" in sessions(ada, "list", "--user", EMAIL, "--everything").stdout
    assert "--everything goes with" in sessions(ada, "list", "--everything", "--errors", code=2).stderr
    assert "no span of time" in sessions(ada, "list", "--since", "soon", code=2).stderr


def test_a_session_is_read_part_by_part_and_does_nothing_to_the_terminal(office, ada):
    whole = sessions(ada, "show", EMAIL, A).stdout
    assert "\x1b" not in whole
    assert "\u202e" not in whole
    assert "\r" not in whole
    assert "   all[31m done, Mira\n   bye\n" in whole
    assert "user, tool result, FAILED" in whole
    assert "of agent a1" in whole
    first = sessions(ada, "show", EMAIL, A, "--limit", "2")
    cursor = first.stderr.split("`--cursor ")[1].split("`")[0]
    rest = sessions(ada, "show", EMAIL, A, "--cursor", cursor, "--all").stdout
    assert first.stdout + rest == whole
    assert json.loads(sessions(ada, "show", office.mira.id, A, "--json").stdout)["next_cursor"] is None
    assert "session_not_found" in sessions(ada, "show", EMAIL, B, code=1).stderr
    assert "there is no account who@" in sessions(ada, "show", "who@example.com", A, code=2).stderr
    # Each part that was read was written down.
    assert len(list(office.house.store.list("audit/session_transcript_view/"))) == 4


def test_transcripts_are_taken_away_and_nothing_is_written_over(office, ada):
    there = ada.workspace / f"{A}.jsonl"
    sessions(ada, "download", EMAIL, A)
    assert there.read_bytes() == said(A, HOSTILE, fails=True).body()
    assert there.stat().st_mode & 0o077 == 0
    there.write_text("mine")
    assert "is there already" in sessions(ada, "download", EMAIL, A, code=2).stderr
    assert there.read_text() == "mine"
    sessions(ada, "download", EMAIL, A, "--force")
    assert there.read_text() != "mine"
    assert sessions(ada, "download", EMAIL, A, "--agent", "a1", "--out", "-").stdout.count("\n") == 1
    assert "transcript_not_found" in sessions(ada, "download", EMAIL, A, "--agent", "a2", code=1).stderr
    assert "no session's id" in sessions(ada, "download", EMAIL, "../../etc", code=2).stderr
    sessions(ada, "download", EMAIL, "--out", "all.zip")
    names = zipfile.ZipFile(io.BytesIO((ada.workspace / "all.zip").read_bytes())).namelist()
    assert names == [f"{A}.jsonl", f"{A}/subagents/agent-a1.jsonl", f"{WAITING}.jsonl"]
    too_many = {"code": "archive_in_parts", "message": "these sessions are too many", "parts": 2}
    refusals = [(413, too_many)] * 2
    office.server.refuse = lambda _method, path: refusals.pop() if refusals and path.endswith("download-all") else None
    (ada.workspace / "again-part2.zip").touch()
    assert "again-part2.zip is there already" in sessions(ada, "download", EMAIL, "--out", "again.zip", code=2).stderr
    assert not (ada.workspace / "again-part1.zip").exists()
    assert "no_such_part" in sessions(ada, "download", EMAIL, "--out", "again.zip", "--force", code=1).stderr
    assert zipfile.ZipFile(ada.workspace / "again-part1.zip").namelist() == names
    assert [path.name for path in ada.workspace.glob(".*.zip.*")] == []


def test_it_is_for_admins(office):
    office.sign_in()
    for command in (("list",), ("show", office.mira.id, A), ("download", office.mira.id)):
        assert "HTTP 403" in sessions(office.laptop, *command, code=1).stderr


def test_a_session_and_a_person_are_redacted_when_one_is_sure(ada):
    assert "give a session's id, or --all" in sessions(ada, "redact", EMAIL, code=2).stderr
    assert "give a session's id, or --all" in sessions(ada, "redact", EMAIL, A, "--all", code=2).stderr
    assert "is no session's id" in sessions(ada, "redact", EMAIL, "../x", "--yes", code=1).stderr
    refused = ada.agnes("admin", "sessions", "redact", EMAIL, A, stdin="n\n")
    assert refused.returncode == 1
    assert f"Remove session {A} of {EMAIL} for good?" in refused.stderr
    assert A in sessions(ada, "list").stdout
    done = sessions(ada, "redact", EMAIL, A, "--yes")
    assert done.stdout == "Removed for good. Sessions: 1; stored objects: 2.\n"
    listed = sessions(ada, "list", "--user", EMAIL, "--everything").stdout
    assert A not in listed
    assert WAITING in listed
    gone = json.loads(sessions(ada, "redact", EMAIL, "--all", "--yes", "--json").stdout)
    assert gone["derived"] == "removed"
    assert "No session fits." in sessions(ada, "list", "--user", EMAIL, "--everything").stderr
    assert B in sessions(ada, "list").stdout
