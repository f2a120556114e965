from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from agnes.telemetry import keys
from agnes_cli import trimming
from agnes_cli.transcripts import agent_id_of
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.real_transcripts import main_file
from tests.builders.transcripts import Transcript
from tests.unit.cli.conftest import opened_office

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "5d2c8a10-0002-4f00-9a00-00000000bbbb"
C = "5d2c8a10-0003-4f00-9a00-00000000cccc"
TOO_MUCH = (b'{"said":"' + b"x" * 3000 + b'"}\n') * (18 * 1024)
"""54 MB where 50 are the most that is sent; in lines that are as long as real ones."""


def session(session_id: str, prompts: int = 1) -> Transcript:
    t = Transcript(session_id)
    for number in range(prompts):
        t.prompt(f"Question {number}")
    return t


def test_captured_sessions_are_sent_with_their_subagents(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    agents = path.with_suffix("") / "subagents"
    agents.mkdir(parents=True)
    (agents / "agent-a1.jsonl").write_bytes(Transcript(A, agent_id="a1").body() or session(A).body())
    (path.parent / "agent-old1.jsonl").write_bytes(session(A).body())  # as older clients did
    (path.parent / "agent-old2.jsonl").write_bytes(session(B).body())  # another session's
    assert laptop.capture(A, path).returncode == 0
    assert laptop.capture(A, path).returncode == 0
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"
    outcome = laptop.push()
    assert len(outcome["sent"]) == 3
    assert signed_in.stored(A) == ["agents/a1.jsonl.zst", "agents/old1.jsonl.zst", "main.jsonl.zst"]
    assert laptop.file("agnes-sessions.txt") == ""
    assert not list(laptop.claude.glob("*snapshot*"))
    again = laptop.push(str(path))
    assert (again["sent"], len(again["unchanged"])) == ([], 3)


WORKFLOW = Path(__file__).parents[2] / "samples" / "transcripts" / "cases" / "25-workflow-subagents"
WORKED = "a288b4e8-af0a-4612-ba76-be920824a101"


def test_subagents_of_workflows_are_sent_at_any_depth(signed_in):
    """By a scan, and by the path of any of them; what else is there, a journal, is no transcript."""
    laptop = signed_in.laptop
    path = laptop.transcript(WORKED, (WORKFLOW / f"{WORKED}.jsonl").read_bytes())
    shutil.copytree(WORKFLOW / WORKED, path.with_suffix(""))
    agents = path.with_suffix("") / "subagents"
    (agents / "workflows" / "wf_10").mkdir()
    shutil.copy(agents / "agent-a1.jsonl", agents / "workflows" / "wf_10" / "agent-w1.jsonl")
    (agents / "workflows" / "wf 11").mkdir()
    (agents / "workflows" / "wf 11" / "agent-the reviewer.jsonl").write_bytes((agents / "agent-a1.jsonl").read_bytes())
    outcome = laptop.push("--scan")
    assert (len(outcome["sent"]), outcome["dropped"]) == (6, [])
    odd = agent_id_of(("workflows", "wf 11"), "the reviewer")
    assert signed_in.stored(WORKED) == sorted(
        [
            f"agents/{name}.jsonl.zst"
            for name in ("a1", "workflows.wf_9f.w1", "workflows.wf_9f.w2", "workflows.wf_10.w1", odd)
        ]
        + ["main.jsonl.zst"]
    )
    nested = agents / "workflows" / "wf_9f" / "agent-w2.jsonl"
    nested.write_bytes(nested.read_bytes() * 2)
    assert laptop.push(str(nested))["sent"] == [str(nested)]
    assert "is no transcript" in laptop.agnes("push", str(agents / "workflows" / "wf_9f" / "journal.jsonl")).stderr


@pytest.mark.parametrize("folders", [(), ("workflows", "wf_9f"), ("a b", "ü"), ("f" * 100,), tuple("abcdefghijk")])
@pytest.mark.parametrize("name", ["a1", "main", "b.c", "the reviewer", "n" * 100])
def test_the_command_and_the_server_name_subagents_alike(folders, name):
    assert agent_id_of(folders, name) == keys.agent_id_of(folders, name)


def test_a_grown_transcript_is_sent_again(signed_in):
    laptop = signed_in.laptop
    t = session(A)
    path = laptop.transcript(A, t.body())
    assert laptop.push(str(path))["sent"] == [str(path)]
    t.prompt("More")
    path.write_bytes(t.body())
    assert laptop.push(str(path))["sent"] == [str(path)]


def test_copies_of_requests_are_not_sent_and_growth_is_told_from_the_file_itself(signed_in):
    laptop, body = signed_in.laptop, main_file("headless").read_bytes()
    path = laptop.transcript(A, body)
    assert laptop.push(str(path))["sent"] == [str(path)]
    assert stored(signed_in) == zstandard.ZstdCompressor(level=3).compress(trimming.trim(body)), "as it was sent"
    assert laptop.push(str(path))["unchanged"] == [str(path)]
    # What is left out grows the file, too: it is sent again, and the server finds nothing new.
    path.write_bytes(body + b'{"type":"api-request-blob","hash":"00","message":{}}\n')
    assert laptop.push(str(path))["sent"] == [str(path)]
    assert zstandard.decompress(stored(signed_in)).endswith(b'{"type":"api-request-blob"}\n')


def test_a_server_that_keeps_all_gets_all(tmp_path):
    with opened_office(tmp_path, TRANSCRIPTS_KEEP_ALL="true") as office:
        office.sign_in()
        bodies = {A: main_file("headless").read_bytes(), B: main_file("typed").read_bytes()}
        paths = [str(office.laptop.transcript(session_id, body)) for session_id, body in bodies.items()]
        assert office.laptop.push(*paths)["sent"] == paths
        for session_id, body in bodies.items():
            assert zstandard.decompress(stored(office, session_id)) == body


def test_a_transcript_over_the_limit_that_is_below_it_when_trimmed_is_sent(signed_in):
    laptop = signed_in.laptop
    line = b'{"type":"api-request-blob","hash":"00","message":"' + b"x" * 300_000 + b'"}\n'
    path = laptop.transcript(A, session(A).body() + line * 180)
    assert path.stat().st_size > 50 * 1024 * 1024
    assert laptop.push("--dry-run", str(path)) == {"would_send": [str(path)]}
    assert laptop.push(str(path))["sent"] == [str(path)]


def stored(office, session_id: str = A) -> bytes:
    return office.house.store.read(f"sessions/{office.mira.id}/{session_id}/main.jsonl.zst").body


def test_scan_finds_what_nobody_queued(signed_in):
    laptop = signed_in.laptop
    paths = [laptop.transcript(A, session(A).body()), laptop.transcript(B, session(B).body())]
    (paths[0].parent / "notes.jsonl").write_text("{}\n")
    assert laptop.push()["sent"] == []
    assert laptop.push("--legacy-scan")["sent"] == [str(path) for path in paths]


def test_a_dry_run_changes_nothing(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    assert laptop.push("--dry-run") == {"would_send": [str(path)]}
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"
    assert signed_in.stored(A) == []


def test_private_sessions_stay_here(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    (laptop.claude / "agnes-sessions-private.txt").write_text(f"{A}\n")
    assert laptop.push("--scan")["private_skipped"] == [str(path)]
    assert signed_in.stored(A) == []
    assert laptop.file("agnes-sessions-private-skipped.txt").endswith(f"\t{A}\t{path}\n")
    laptop.capture(A, path)
    assert laptop.file("agnes-sessions.txt") == ""


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        pytest.param(401, "unauthenticated", 3, id="token-expired"),
        pytest.param(429, "rate_limited", 1, id="too-fast"),
        pytest.param(503, "unavailable", 1, id="store-busy"),
        pytest.param(413, "transcript_too_large", 1, id="too-large"),
        pytest.param(409, "conflict", 1, id="conflict"),
    ],
)
@pytest.mark.parametrize("at", ["presign", "complete"])
def test_nothing_is_dropped_when_the_server_cannot_take_it_now(signed_in, status, code, exit_code, at):
    laptop, server = signed_in.laptop, signed_in.server
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    refused = status, {"code": code, "message": "not now", "hint": None, "request_id": "x"}
    server.refuse = lambda _method, where: refused if where.endswith(at) else None
    done = laptop.agnes("push")
    assert done.returncode == exit_code, done.stderr
    assert "not now" in done.stderr + done.stdout
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"
    server.refuse = lambda _method, _path: None
    assert laptop.push()["sent"] == [str(path)]


def test_a_lost_put_waits(signed_in):
    laptop, server = signed_in.laptop, signed_in.server
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    server.refuse = lambda method, _path: (500, {}) if method == "PUT" else None
    assert [entry["path"] for entry in laptop.push()["waiting"]] == [str(path)]
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"


def test_an_unreachable_server_is_asked_once(signed_in):
    laptop = signed_in.laptop
    for session_id in (A, B):
        laptop.capture(session_id, laptop.transcript(session_id, session(session_id).body()))
    done = laptop.agnes("push", "--json", AGNES_SERVER="http://127.0.0.1:9")
    assert done.returncode == 4
    assert len(json.loads(done.stdout)["waiting"]) == 2
    assert laptop.file("agnes-sessions.txt").count("\n") == 2


def test_what_is_no_transcript_is_refused_for_good_and_noted(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, b"\x89PNG\r\n\x1a\n")
    laptop.capture(A, path)
    outcome = laptop.push()
    assert [entry["path"] for entry in outcome["dropped"]] == [str(path)]
    assert laptop.file("agnes-sessions.txt") == ""
    assert f"\t{A}\t422\t{path}\n" in laptop.file("agnes-sessions-failed.txt")


def test_a_transcript_over_the_limit_waits_without_being_sent(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, TOO_MUCH)
    laptop.capture(A, path)
    before = len(signed_in.server.seen)
    (waiting,) = laptop.push()["waiting"]
    assert "52,428,800" in waiting["reason"]
    assert len(signed_in.server.seen) == before
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"


def test_a_push_that_died_is_taken_up_by_the_next(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.claude.mkdir()
    (laptop.claude / "agnes-sessions.snapshot.123.abcd.txt").write_text(f"{A}\t{path}\n{path}\n")
    assert laptop.push()["sent"] == [str(path)]
    assert not list(laptop.claude.glob("*snapshot*"))


def test_a_vanished_transcript_is_forgotten(signed_in):
    laptop = signed_in.laptop
    laptop.capture(A, laptop.workspace / f"{A}.jsonl")
    outcome = laptop.push()
    assert (len(outcome["missing"]), laptop.file("agnes-sessions.txt")) == (1, "")


def test_a_second_push_leaves_the_first_alone(signed_in):
    import fcntl

    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    with (laptop.claude / "agnes-push.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = laptop.agnes("push")
        assert (done.returncode, done.stdout) == (0, "")
        assert "Another push is at work" in done.stderr
        assert laptop.agnes("push", "--quiet").stderr == ""
    assert laptop.push()["sent"] == [str(path)]


def test_bad_paths_are_named(signed_in):
    laptop = signed_in.laptop
    (laptop.workspace / "notes.txt").write_text("x")
    for path, says in (("nowhere.jsonl", "does not exist"), ("notes.txt", "is no transcript")):
        done = laptop.agnes("push", path)
        assert (done.returncode, says in done.stderr) == (2, True)


def test_without_signing_in_everything_waits(office):
    laptop = office.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    done = laptop.agnes("push")
    assert done.returncode == 3
    assert "agnes login" in done.stderr
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"


def test_what_another_windows_push_came_too_early_for_is_sent_by_the_next(signed_in):
    """Two windows died without their SessionEnd: one had written more since, one had written nothing yet."""
    laptop = signed_in.laptop
    t = session(A)
    early = laptop.transcript(A, t.body())
    later = early.with_name(f"{B}.jsonl")
    laptop.capture(A, early)
    laptop.capture(B, later)
    assert (laptop.push()["sent"], laptop.file("agnes-sessions.txt")) == ([str(early)], "")
    t.prompt("More")
    early.write_bytes(t.body())
    later.write_bytes(session(B).body())
    assert laptop.push()["sent"] == [str(early), str(later)]
    assert (laptop.push()["sent"], laptop.file("agnes-sessions.txt")) == ([], "")


@pytest.mark.parametrize("bad", ["/x" * 3000, "/nowhere"], ids=["name-too-long", "not-there"])
def test_an_entry_that_cannot_be_read_stops_no_other(signed_in, bad):
    laptop = signed_in.laptop
    laptop.capture(B, f"{bad}/{B}.jsonl")
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    assert laptop.push()["sent"] == [str(path)]


def test_an_answer_that_is_not_agnes_keeps_the_queue(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    signed_in.server.refuse = lambda _method, _path: (200, {"hello": "world"})
    done = laptop.agnes("push")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"


def test_a_transcript_that_is_still_empty_is_sent_when_it_has_something(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, b"")
    laptop.capture(A, path)
    assert laptop.push("--dry-run") == {"would_send": []}
    outcome = laptop.push()
    assert (outcome["missing"], outcome["dropped"]) == ([str(path)], [])
    path.write_bytes(session(A).body())
    assert laptop.push("--dry-run") == {"would_send": [str(path)]}
    assert laptop.push()["sent"] == [str(path)]


def test_a_dry_run_shows_nothing_that_would_stay_here(signed_in):
    laptop = signed_in.laptop
    laptop.agnes("mark-private", CLAUDE_CODE_SESSION_ID=A)
    fork = laptop.transcript(B, session(A).body())
    large = laptop.transcript(C, TOO_MUCH)
    laptop.capture(C, large)
    assert laptop.push("--dry-run", str(fork)) == {"would_send": []}


def test_what_the_workspace_does_not_take_is_said_in_a_line(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    (laptop.claude / "agnes-sessions-uploaded.txt").mkdir()
    for root, place in ((laptop.workspace, f"{laptop.claude}/agnes-sessions-uploaded.txt: Is a directory"), ("/dev/null", "/dev/null/.claude: Not a directory")):  # fmt: skip
        done = laptop.agnes("push", AGNES_LOCAL_DIR=str(root))
        assert (done.returncode, done.stderr) == (1, f"Error: {place}\n")
    assert laptop.file("agnes-sessions.txt") == f"{A}\t{path}\n"


def test_a_folder_that_is_gone_fails_no_session(signed_in):
    laptop = signed_in.laptop
    done = {}
    for command in ("capture-session", "push"):
        code = f"import os, sys; os.rmdir(os.getcwd()); sys.argv = ['agnes', '{command}']; from agnes_cli.start import main; main()"
        laptop.workspace.mkdir(exist_ok=True)
        done[command] = subprocess.run(
            [sys.executable, "-c", code], cwd=laptop.workspace, input="{}", capture_output=True, text=True, check=False
        )
    assert (done["capture-session"].returncode, done["capture-session"].stderr) == (0, "")
    assert (done["push"].returncode, "Traceback" in done["push"].stderr) == (1, False)
    laptop.workspace.mkdir()


def test_a_push_that_was_partly_acknowledged_goes_on_where_it_was(signed_in):
    laptop, server = signed_in.laptop, signed_in.server
    paths = [laptop.transcript(each, session(each).body()) for each in (A, B)]
    for path in paths:
        laptop.capture(path.stem, path)
    taken = []
    unavailable = 503, {"code": "unavailable", "message": "later", "hint": None, "request_id": "x"}

    def one_only(_method, where):
        taken.extend([where] if where.endswith("complete") else [])
        return unavailable if taken and where.endswith("presign") else None

    server.refuse = one_only
    first = laptop.push()
    assert (first["sent"], [each["path"] for each in first["waiting"]]) == ([str(paths[0])], [str(paths[1])])
    server.refuse = lambda _method, _path: None
    assert laptop.push()["sent"] == [str(paths[1])]


def test_on_a_terminal_it_shows_what_is_being_sent(signed_in):
    laptop = signed_in.laptop
    for each in (A, B):
        laptop.capture(each, laptop.transcript(each, session(each).body()))
    ours, theirs = pty.openpty()
    environment = {"HOME": str(laptop.home), "AGNES_SERVER": laptop.server, "PATH": os.environ["PATH"]}
    command = [sys.executable, "-m", "agnes_cli", "push"]
    done = subprocess.run(
        command,
        cwd=laptop.workspace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.returncode == 0
    assert "1 of 2: " in shown
    assert "2 of 2: " in shown
    assert shown.endswith("\r\x1b[K"), "what passes is wiped"
    assert b"2 files sent" in done.stdout


def test_over_a_quota_what_is_left_waits_and_is_sent_when_there_is_room(tmp_path):
    with opened_office(tmp_path, QUOTA_TOTAL_SESSIONS="1") as office:
        office.sign_in()
        laptop = office.laptop
        first, *others = [str(laptop.transcript(each, session(each).body())) for each in (A, B, C)]
        pushed = laptop.agnes("push", "--json", first, *others)
        outcome = json.loads(pushed.stdout)
        assert pushed.returncode == 1
        assert (outcome["sent"], outcome["dropped"]) == ([first], [])
        assert [one["path"] for one in outcome["waiting"]] == others
        assert "the limit is 1 sessions" in outcome["error"]
        told = laptop.agnes("push")
        assert "2 files wait in the queue." in told.stderr
        assert "Remove sessions that you no longer need" in told.stderr
        stored_of = laptop.agnes("whoami", "--storage").stdout.splitlines()
        assert stored_of[1].endswith(", 1 of 1 sessions")
        removed = office.house.delete(f"/api/me/sessions/{A}", token=office.mira.token)
        assert removed.status == 200
        outcome = json.loads(laptop.agnes("push", "--json").stdout)
        assert len(outcome["sent"]) == 1
        assert len(outcome["waiting"]) == 1
