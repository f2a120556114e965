"""Sending queued transcripts: each file trimmed, compressed and PUT to a presigned URL; what cannot be sent now waits on.

A push that dies at any moment leaves its snapshot of the queue, and the next push begins with it; sending a file twice
changes nothing at the server. What was sent or looked for in vain before and has grown or appeared since is sent too,
so that a session whose window died without its SessionEnd loses nothing that another window's push came too early for.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agnes_cli import privacy, transcripts, trimming
from agnes_cli.failures import Failure, NotSignedIn, Refused, ServerUnreachable
from agnes_cli.transcripts import SESSION_ID, File, files_of
from agnes_cli.workspace import Queued, Workspace

LIMIT_BYTES = 50 * 1024 * 1024
"""What the server takes of one file; it says so too, but only after the bytes have travelled."""
READ_LIMIT_BYTES = 4 * LIMIT_BYTES
"""Of a file on disk, before it is trimmed."""

RETRIED = frozenset({401, 403, 404, 408, 409, 413, 425, 429})
"""Client errors that a later push may not meet: signing in, a new URL, a slower pace, a higher limit."""


STORAGE_FULL = "storage_full"
"""The server takes nothing more of this person until there is room: asking for each further file is of no use."""


class TooLarge(Failure):
    pass


@dataclass
class Outcome:
    """Paths by what became of them."""

    sent: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    waiting: list[dict[str, str]] = field(default_factory=list)
    """{path, reason, hint}: queued again."""
    dropped: list[dict[str, str]] = field(default_factory=list)
    """{path, reason}: refused for good, and logged."""
    missing: list[str] = field(default_factory=list)
    private: list[str] = field(default_factory=list)
    stopped_by: Failure | None = None
    """The failure after which nothing more was tried."""

    def as_json(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "unchanged": self.unchanged,
            "waiting": self.waiting,
            "dropped": self.dropped,
            "missing": self.missing,
            "private_skipped": self.private,
            "error": self.stopped_by.message if self.stopped_by else None,
        }


class BadAnswer(Failure):
    pass


class Push:
    """`say` gets a line a file that is done with, `begin` the file that is about to be sent and how many entries are done
    of how many."""

    def __init__(
        self,
        workspace: Workspace,
        connect: Callable[[], Any],
        say: Callable[[str], None],
        begin: Callable[[str, int, int], None] = lambda _path, _done, _total: None,
    ) -> None:
        self._workspace = workspace
        self._connect = connect
        self._say = say
        self._begin = begin
        self._done = self._total = 0
        self._server: Any = None
        self._keeps_all = False
        """The server stores transcripts whole, so nothing is left out of what is sent."""
        self._uploaded = workspace.uploaded()
        self.outcome = Outcome()

    def run(self, named: Iterable[Queued]) -> Outcome:
        """Send the queue, then what was `named` besides."""
        workspace = self._workspace
        workspace.take_queue()
        snapshots = workspace.snapshots()
        queued = workspace.taken()
        besides = [e for e in dict.fromkeys([*named, *changed_since(workspace, self._uploaded)]) if e not in queued]
        self._total = len(queued) + len(besides)
        left = [entry for entry in queued if not self._settled(entry)]
        # Queued again before the snapshots go: a crash in between repeats entries, and loses none.
        workspace.enqueue(left)
        for snapshot in snapshots:
            snapshot.unlink(missing_ok=True)
        for entry in besides:
            self._named(entry)
        if self._server is not None:
            self._server.__exit__(None, None, None)
        return self.outcome

    def _named(self, entry: Queued) -> None:
        """What somebody names is queued if it cannot be sent, as if it had been captured."""
        if not self._settled(entry):
            self._workspace.enqueue([entry])

    def _settled(self, entry: Queued) -> bool:
        """Deal with one session; False if any of its files has to wait. One that cannot be read stops no other."""
        try:
            return self._sent(entry)
        except OSError as exc:
            return self._wait(entry.path, _trouble(exc))
        finally:
            self._done += 1

    def _sent(self, entry: Queued) -> bool:
        outcome, workspace = self.outcome, self._workspace
        # Asked anew for each session: it may be marked while a push is running.
        if entry.session_id in workspace.private_ids() or privacy.descends(entry.path):
            # With the transcript's first record, by which its forks are known; a fork itself becomes private here.
            privacy.mark(entry.session_id, entry.path)
            workspace.note_private_skipped(entry.session_id, entry.path)
            outcome.private.append(entry.path)
            return True
        path = Path(entry.path)
        files = with_content(entry.session_id, path)
        if not files:
            if entry not in workspace.missing():
                workspace.note_missing(entry)
            outcome.missing.append(entry.path)
            return True
        if not SESSION_ID.fullmatch(entry.session_id):
            self._drop(entry, str(path), "invalid_session_id", "its name is no session's id")
            return True
        settled = [self._file(entry, file) for file in files]  # each, even when one has to wait
        return all(settled)

    def _file(self, entry: Queued, file: File) -> bool:
        outcome, name = self.outcome, str(file.path)
        mark = file.mark
        if self._uploaded.get(name) == mark:
            outcome.unchanged.append(name)
            return True
        if outcome.stopped_by is not None:
            return self._wait(name, outcome.stopped_by)
        self._begin(name, self._done, self._total)
        try:
            self._send(file)
        except (NotSignedIn, ServerUnreachable) as failure:
            outcome.stopped_by = failure
            return self._wait(name, failure)
        except Refused as failure:
            if failure.status == 429 or failure.code == STORAGE_FULL:
                outcome.stopped_by = failure
            if failure.status >= 500 or failure.status in RETRIED:
                return self._wait(name, failure)
            self._drop(entry, name, str(failure.status), failure.message)
            return True
        except Failure as failure:
            return self._wait(name, failure)
        except OSError as exc:
            return self._wait(name, _trouble(exc))
        self._workspace.note_uploaded(file.path, mark)
        self._uploaded[name] = mark
        outcome.sent.append(name)
        self._say(f"sent {name}")
        return True

    def _send(self, file: File) -> None:
        _require_size(file.path.stat().st_size, READ_LIMIT_BYTES)
        whole = file.path.read_bytes()
        plain = whole if self._keeps_all else trimming.trim(whole)
        packed, where = self._presigned(file, plain)
        if where.get("keeps_all") and not self._keeps_all:
            self._keeps_all = True
            if plain != whole:
                packed, where = self._presigned(file, whole)
        try:
            url, headers, upload = where["url"], where["headers"], {"upload_id": where["upload_id"]}
        except KeyError:
            raise _no_answer() from None
        self._server.put_object(url, packed, headers)
        self._server.post("/api/upload/sessions/complete", upload)

    def _presigned(self, file: File, plain: bytes) -> tuple[bytes, dict[str, Any]]:
        """The packed bytes, and the server's answer where to PUT them."""
        import zstandard

        _require_size(len(plain), LIMIT_BYTES)
        packed = zstandard.ZstdCompressor(level=3).compress(plain)
        if self._server is None:
            self._server = self._connect()
        declared = {
            "session_id": file.session_id,
            "agent_id": file.agent_id,
            "size_bytes": len(packed),
            "sha256": hashlib.sha256(packed).hexdigest(),
            "encoding": "zstd",
        }
        where = self._server.post("/api/upload/sessions/presign", declared)
        if not isinstance(where, dict):
            raise _no_answer()
        return packed, where

    def _wait(self, path: str, failure: Failure) -> bool:
        self.outcome.waiting.append({"path": path, "reason": failure.message, "hint": failure.hint or ""})
        self._say(f"waiting {path}: {failure.message}")
        return False

    def _drop(self, entry: Queued, path: str, status: str, reason: str) -> None:
        self._workspace.note_failed(entry.session_id, status, path)
        self.outcome.dropped.append({"path": path, "reason": reason})
        self._say(f"refused {path}: {reason}")


def fits(path: Path) -> bool:
    """Whether the server takes a file, once it is trimmed."""
    size = path.stat().st_size
    return size <= LIMIT_BYTES or (size <= READ_LIMIT_BYTES and len(trimming.trim(path.read_bytes())) <= LIMIT_BYTES)


def _require_size(size: int, limit: int) -> None:
    """Raises TooLarge."""
    if size > limit:
        raise TooLarge(
            f"it has {size:,} bytes, the limit is {limit:,}", hint="It waits in the queue; /clear begins a new one."
        )


def _no_answer() -> BadAnswer:
    return BadAnswer("the server did not say where to send it", hint="Is it an Agnes server?")


def _trouble(exc: OSError) -> Failure:
    """With a transcript, or with a file in which the workspace keeps what was done."""
    return Failure(f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc.strerror or type(exc).__name__))


def changed_since(workspace: Workspace, uploaded: Mapping[str, str]) -> list[Queued]:
    """Sessions of which a file differs from what was sent, or has appeared."""
    sessions = [transcripts.named(Path(path)) for path, mark in uploaded.items() if _differs(path, mark)]
    found = [Queued(session[0], str(session[1])) for session in sessions if session is not None]
    return found + [entry for entry in workspace.missing() if Path(entry.path).is_file()]


def with_content(session_id: str, path: Path) -> list[File]:
    """Files of a session that have something in them. An empty one is as good as missing: its session has just begun."""
    return [file for file in files_of(session_id, path) if file.path.stat().st_size]


def _differs(path: str, mark: str) -> bool:
    """Whether a file that was sent is there and is another now."""
    try:
        stat = os.stat(path)  # noqa: PTH116 (of every file ever sent)
    except OSError:
        return False
    return f"{stat.st_size}\t{stat.st_mtime_ns}" != mark
