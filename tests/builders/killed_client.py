"""Kills the client at each line of capturing and pushing in turn, and looks what was lost: `python -m … SCENARIO FOLDER`.

The victim is a fork that ends itself (no cleaning up, as under SIGKILL) when it has come to its Nth line of our modules. A
process of its own, since a fork of the test run, with all that it holds, takes ten times as long.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import zstandard

from agnes_cli import privacy, pushing, transcripts, workspace
from agnes_cli.commands import capture_session
from agnes_cli.pushing import Push
from agnes_cli.workspace import Queued, Workspace

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "5d2c8a10-0002-4f00-9a00-00000000bbbb"
PRIVATE = "5d2c8a10-0003-4f00-9a00-00000000cccc"
OURS = {module.__file__ for module in (workspace, pushing, transcripts, privacy, capture_session)}
KILLED, DONE = 9, 0


class FolderServer:
    """The three requests of an upload, onto files; it outlives the processes that talk to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def post(self, path: str, body: dict) -> dict:
        if path.endswith("/presign"):
            name = f"{body['session_id']}.{body['agent_id'] or 'main'}"
            return {"url": name, "headers": {}, "upload_id": name}
        assert path.endswith("/complete")
        (self.folder / f"{body['upload_id']}.part").replace(self.folder / body["upload_id"])
        return {}

    def put_object(self, url: str, body: bytes, headers: dict) -> None:
        (self.folder / f"{url}.part").write_bytes(body)

    def __exit__(self, *exc: object) -> None:
        pass

    def held(self) -> dict[str, bytes]:
        return {path.name: zstandard.decompress(path.read_bytes()) for path in self.folder.glob("*[!t]")}


def killed_at(line: int, act) -> int:
    """Run `act` in a process that ends at its `line`-th line of our modules; KILLED, or DONE if it got through before."""
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame, event, _arg):
            nonlocal left
            if frame.f_code.co_filename not in OURS:
                return None
            if event == "line":
                left -= 1
                if left == 0:
                    os._exit(KILLED)
            return trace

        sys.settrace(trace)
        try:
            act()
        except BaseException:
            os._exit(70)
        os._exit(DONE)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def lines_until_done(act, check) -> int:
    """Kill `act` at each line in turn, `check` after each; how many there were."""
    for line in range(1, 5000):
        ended = killed_at(line, act)
        assert ended in (KILLED, DONE), f"line {line}: it failed by itself"
        check(line)
        if ended == DONE:
            return line
    raise AssertionError("it never got through")


def prepared(folder: Path) -> Path:
    """Two sessions, one with a subagent, and a private one; where they are."""
    os.environ |= {"HOME": str(folder), "AGNES_LOCAL_DIR": str(folder / "ws"), "AGNES_CONFIG_DIR": str(folder / "c")}
    os.fsync = lambda _fd: None  # forks share what the kernel has; only the disk's share is spared
    kept = folder / "projects"
    (kept / A / "subagents").mkdir(parents=True)
    for path in (f"{A}.jsonl", f"{A}/subagents/agent-a1.jsonl", f"{B}.jsonl", f"{PRIVATE}.jsonl"):
        (kept / path).write_text(json.dumps({"sessionId": Path(path).stem, "path": path}) + "\n")
    privacy.mark(PRIVATE)
    return kept


def entry(kept: Path, session_id: str) -> Queued:
    return Queued(session_id, str(kept / f"{session_id}.jsonl"))


def push(connect) -> pushing.Outcome:
    return Push(Workspace(), connect, lambda _line: None).run([])


def emptied(place: Workspace, queue: list[Queued], *folders: Path) -> None:
    for folder in (place.folder, *folders):
        for path in folder.glob("*"):
            path.unlink()
    place.enqueue(queue)


def pushing_loses_nothing(folder: Path) -> int:
    """Whatever the line, and killed a second time now and then, the next push has all of it at the server."""
    kept, place, server = prepared(folder), Workspace(), FolderServer(folder / "server")
    server.folder.mkdir()
    queue = [entry(kept, session) for session in (A, PRIVATE, B)]
    wanted = {
        f"{A}.main": (kept / f"{A}.jsonl").read_bytes(),
        f"{A}.a1": (kept / A / "subagents" / "agent-a1.jsonl").read_bytes(),
        f"{B}.main": (kept / f"{B}.jsonl").read_bytes(),
    }

    def check(line: int) -> None:
        if line % 3 == 0:
            killed_at(line // 2, lambda: push(lambda: server))
        outcome = push(lambda: server)
        assert server.held() == wanted, line
        assert (outcome.waiting, outcome.dropped, place.waiting()) == ([], [], []), line
        emptied(place, queue, server.folder)

    emptied(place, queue)
    return lines_until_done(lambda: push(lambda: server), check)


def an_unreachable_server_keeps_the_queue(folder: Path) -> int:
    kept, place = prepared(folder), Workspace()
    queue = [entry(kept, A), entry(kept, B)]

    def gone() -> None:
        raise pushing.ServerUnreachable("nobody answers")

    def check(line: int) -> None:
        assert place.waiting() == queue, line
        emptied(place, queue)

    emptied(place, queue)
    return lines_until_done(lambda: push(gone), check)


def capturing_spoils_nothing(folder: Path) -> int:
    """What it was about to queue comes with its SessionEnd; what stood in the queue stays."""
    kept, place = prepared(folder), Workspace()
    said = json.dumps({"session_id": B, "transcript_path": str(kept / f"{B}.jsonl")}).encode()

    def capture() -> None:
        sys.stdin = io.TextIOWrapper(io.BytesIO(said))
        capture_session.command.callback(push=False)

    def check(line: int) -> None:
        assert entry(kept, A) in place.waiting(), line
        capture()
        assert place.waiting() == [entry(kept, A), entry(kept, B)], line
        emptied(place, [entry(kept, A)])

    emptied(place, [entry(kept, A)])
    return lines_until_done(capture, check)


if __name__ == "__main__":
    scenarios = (pushing_loses_nothing, an_unreachable_server_keeps_the_queue, capturing_spoils_nothing)
    wanted = {scenario.__name__: scenario for scenario in scenarios}[sys.argv[1]]
    print(wanted(Path(sys.argv[2])))
