"""Private sessions: never sent, forks neither, told to the server; and what `agnes statusline` and `diagnose` say."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time

import pytest

from agnes.claude_code import versions
from tests.builders import real_transcripts
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "5d2c8a10-0002-4f00-9a00-00000000bbbb"
C = "5d2c8a10-0003-4f00-9a00-00000000cccc"
LOCK = "\N{LOCK} agnes-private\n"


def session(session_id: str) -> Transcript:
    t = Transcript(session_id, rng=random.Random(session_id))
    t.prompt("Something")
    t.prompt("More")
    return t


def mark(laptop, session_id: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return laptop.agnes("mark-private", CLAUDE_CODE_SESSION_ID=session_id, **environment)


def statusline(laptop, said: object) -> str:
    done = laptop.agnes("statusline", stdin=json.dumps(said))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_private_session_is_never_sent_and_leaves_the_server(signed_in):
    laptop = signed_in.laptop
    path = laptop.transcript(A, session(A).body())
    assert laptop.push(str(path))["sent"] == [str(path)]
    assert signed_in.stored(A) == ["main.jsonl.zst"]
    marked = mark(laptop, A)
    assert (marked.returncode, marked.stderr) == (0, "")
    assert "refuses it" in marked.stdout
    assert signed_in.stored(A) == []
    with path.open("ab") as file:
        file.write(session(A).body())
    laptop.capture(A, path)
    outcome = laptop.push(str(path))
    assert (outcome["sent"], outcome["private_skipped"]) == ([], [str(path)])
    assert mark(laptop, A).returncode == 0


def test_marking_holds_in_every_workspace(signed_in, tmp_path):
    laptop = signed_in.laptop
    mark(laptop, A)
    path = laptop.transcript(A, session(A).body())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = laptop.agnes("push", "--json", str(path), AGNES_LOCAL_DIR=str(elsewhere))
    assert json.loads(done.stdout)["private_skipped"] == [str(path)]


@pytest.mark.parametrize("renamed", [False, True], ids=["ids-kept", "ids-rewritten"])
def test_forks_are_private_too(signed_in, renamed):
    laptop = signed_in.laptop
    original = laptop.transcript(A, session(A).body())
    mark(laptop, A)
    original.unlink()
    copied = session(A).body()
    fork = laptop.transcript(B, (copied.replace(A.encode(), B.encode()) if renamed else copied) + session(B).body())
    assert laptop.push(str(fork))["private_skipped"] == [str(fork)]
    # And its forks.
    again = laptop.transcript(C, session(B).body() + session(C).body())
    assert laptop.push(str(again))["private_skipped"] == [str(again)]
    assert signed_in.stored(B) == signed_in.stored(C) == []
    assert statusline(laptop, {"session_id": C}) == LOCK
    told = signed_in.house.store.read(f"tombstones/{signed_in.mira.id}.json")
    assert sorted(json.loads(told.body)["sessions"]) == [A, B, C]


def test_what_a_tool_printed_is_no_lineage(signed_in):
    laptop = signed_in.laptop
    mark(laptop, A)
    t = session(B)
    t.result(t.use("Bash", command="cat x"), json.dumps({"sessionId": A}))
    path = laptop.transcript(B, t.body())
    assert laptop.push(str(path))["sent"] == [str(path)]


def test_the_server_is_told_later(office):
    laptop = office.laptop
    path = laptop.transcript(A, session(A).body())
    marked = mark(laptop, A)
    assert marked.returncode == 0
    assert "The next `agnes push` tells it." in marked.stderr
    office.sign_in()
    laptop.push()
    assert json.loads(office.house.store.read(f"tombstones/{office.mira.id}.json").body)["sessions"].keys() == {A}
    assert laptop.push(str(path))["sent"] == []


def test_what_the_server_does_not_take_keeps_no_other_session_from_it(signed_in):
    laptop, server = signed_in.laptop, signed_in.server
    folder = laptop.home / ".config" / "agnes"
    (folder / "agnes-sessions-private.txt").write_text(f"agent-abc\n{B}\n")
    broken = 500, {"code": "internal", "message": "broken", "hint": None, "request_id": "x"}
    server.refuse = lambda _method, path: broken if path.endswith(B) else None
    assert "broken" in mark(laptop, A).stderr
    assert (folder / "agnes-sessions-told.txt").read_text() == f"{A}\n"
    server.refuse = lambda _method, _path: None
    laptop.push()
    assert (folder / "agnes-sessions-told.txt").read_text() == f"{A}\n{B}\n"
    assert "the server knows all" in laptop.agnes("diagnose").stdout


def test_a_session_that_was_marked_before_its_first_record_is_known_by_it_later(office):
    """Its end says where the transcript is; no push has ever seen it."""
    laptop = office.laptop
    mark(laptop, A)
    path = laptop.transcript(A, session(A).body())
    laptop.capture(A, path)
    path.unlink()
    fork = laptop.transcript(B, session(A).body().replace(A.encode(), B.encode()))
    assert laptop.push(str(fork))["private_skipped"] == [str(fork)]


def test_a_fork_is_private_from_its_start(office):
    laptop = office.laptop
    mark(laptop, A)
    fork = laptop.transcript(B, session(A).body().replace(A.encode(), B.encode()))
    laptop.transcript(A, session(A).body())
    mark(laptop, A)
    laptop.capture(B, fork)
    assert laptop.file("agnes-sessions.txt") == ""
    assert statusline(laptop, {"session_id": B}) == LOCK


def test_the_server_hears_of_a_fork_when_it_begins(signed_in):
    """Whatever collects transcripts may come before the session ends."""
    laptop, tombstones = signed_in.laptop, f"tombstones/{signed_in.mira.id}.json"
    laptop.transcript(A, session(A).body())
    mark(laptop, A)
    laptop.capture(B, laptop.transcript(B, session(A).body().replace(A.encode(), B.encode())))
    until = time.monotonic() + PATIENCE_SECONDS
    while B not in json.loads(signed_in.house.store.read(tombstones).body)["sessions"]:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_hook_may_say_which_session(office):
    laptop = office.laptop
    done = laptop.agnes("mark-private", "--hook", stdin=json.dumps({"session_id": A}))
    assert done.returncode == 0
    assert statusline(laptop, {"session_id": A}) == LOCK
    for said in ("", "[]", '{"session_id": 5}'):
        assert laptop.agnes("mark-private", "--hook", stdin=said).returncode == 2


@pytest.mark.parametrize(("given", "code"), [({}, 1), ({"CLAUDE_CODE_SESSION_ID": "../x"}, 2)])
def test_without_a_session(office, given, code):
    done = office.laptop.agnes("mark-private", **given)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert not list(office.laptop.home.rglob("agnes-sessions-private.txt"))


def test_the_status_line(office):
    laptop = office.laptop
    mark(laptop, A)
    assert statusline(laptop, {"session_id": A}) == LOCK
    assert statusline(laptop, {"session_id": B}) == ""
    for said in (None, [], {"session_id": [1]}, {"session_id": {}}, "x"):
        assert statusline(laptop, said) == ""
    assert laptop.agnes("statusline", stdin="no json").stdout == ""


def test_a_status_line_is_cheap(office):
    """No library, and no more of the standard one than a few small modules: it runs whenever the client draws its line."""
    laptop = office.laptop
    mark(laptop, A)
    code = (
        "import sys; before = set(sys.modules); sys.argv = ['agnes', 'statusline'];"
        "from agnes_cli.start import main; main();"
        "print(*sorted(set(sys.modules) - before), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"session_id": A}),
        env={**os.environ, "HOME": str(laptop.home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.stdout == LOCK
    modules = done.stderr.split()
    assert {name.partition(".")[0] for name in modules} - sys.stdlib_module_names == {"agnes_cli"}
    assert not {"pathlib", "urllib", "http", "email", "asyncio", "argparse"} & {*modules}
    assert len(modules) < 40, modules


@pytest.mark.parametrize("version", versions.TESTED)
def test_a_fork_as_the_client_writes_it_stays_here_with_the_copies_of_its_past(signed_in, version):
    """2.1.332 writes the messages of a fork's past into it once more, as `api-request-blob`."""
    laptop = signed_in.laptop
    private, fork = (real_transcripts.session_id(name, version) for name in ("background", "fork"))
    paths = {
        session_id: laptop.transcript(session_id, real_transcripts.main_file(name, version).read_bytes())
        for session_id, name in ((private, "background"), (fork, "fork"))
    }
    assert laptop.push("--dry-run", str(paths[fork])) == {"would_send": [str(paths[fork])]}
    assert mark(laptop, private).returncode == 0
    outcome = laptop.push(str(paths[fork]))
    assert (outcome["sent"], outcome["private_skipped"]) == ([], [str(paths[fork])])
    assert signed_in.stored(fork) == []
