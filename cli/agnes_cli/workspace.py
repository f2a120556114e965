"""The workspace's own files, all in `<workspace>/.claude`.

agnes-sessions.txt                    queue: `session_id<TAB>path`; a bare path has no id
agnes-sessions.snapshot.PID.HEX.txt   the queue that a push is working on
agnes-sessions-uploaded.txt           `utc<TAB>path<TAB>size<TAB>mtime_ns`
agnes-sessions-failed.txt             `utc<TAB>id<TAB>status<TAB>path`
agnes-sessions-missing.txt            `utc<TAB>id<TAB>path`: queued, and not there when a push came
agnes-sessions-private.txt            one session id a line; read, no longer written
agnes-sessions-private-skipped.txt    `utc<TAB>id<TAB>path`
agnes-knowledge.json, agnes-sessions-knowledge.txt   `agnes_cli.sessions_with`
agnes-note.txt                        `agnes_cli.notes`
agnes-capture-session.log, agnes-push.log
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agnes_cli import privacy
from agnes_cli.failures import Failure

SENTINEL = "init-complete"
"""What `agnes init` writes last."""

RECORD = "agnes-plugins.json"
"""What `refresh-marketplace` installed here."""

LOG_LIMIT_BYTES = 256 * 1024
MISSING_DAYS = 7
"""As long a session that was queued before its transcript was there is looked for."""


@dataclass(frozen=True, order=True)
class Queued:
    """A transcript that waits. Without a session id, the file's name says it."""

    session_id: str
    path: str

    @property
    def line(self) -> str:
        return f"{self.session_id}\t{self.path}"

    @classmethod
    def parse(cls, line: str) -> Queued | None:
        session_id, tab, path = line.rstrip("\n").partition("\t")
        if not tab:
            session_id, path = "", session_id
        path = path.strip()
        return cls(session_id.strip() or Path(path).stem, path) if path else None


class Workspace:
    """`root` is AGNES_LOCAL_DIR, else the project that a hook runs for, else the current directory. Raises Failure."""

    def __init__(self, root: Path | None = None) -> None:
        given = os.environ.get("AGNES_LOCAL_DIR") or os.environ.get("CLAUDE_PROJECT_DIR")
        self.root = root or (Path(given) if given else _here())
        self.folder = self.root / ".claude"
        self.queue = self.folder / "agnes-sessions.txt"
        self.private = self.folder / "agnes-sessions-private.txt"

    def private_ids(self) -> set[str]:
        """Of the one list (`agnes_cli.privacy`), and of a list that an earlier client kept in the workspace."""
        return privacy.private_ids() | {line.strip() for line in _lines(self.private) if line.strip()}

    def enqueue(self, entries: Iterable[Queued]) -> None:
        """Append; durable on return."""
        entries = list(entries)
        if entries:
            with self.locked("agnes-sessions.lock"):
                _append(self.queue, [entry.line for entry in entries])

    def snapshots(self) -> list[Path]:
        """Queues that somebody began to work on: leftovers of pushes that died, and then the present one."""
        return sorted(self.folder.glob("agnes-sessions.snapshot.*.txt"))

    def take_queue(self) -> None:
        """Rename the queue to a snapshot, in one step, so that nothing is appended to what is being worked on."""
        with self.locked("agnes-sessions.lock"):
            if self.queue.exists():
                name = f"agnes-sessions.snapshot.{os.getpid()}.{os.urandom(4).hex()}.txt"
                self.queue.rename(self.folder / name)

    def taken(self) -> list[Queued]:
        """What the snapshots hold, in order, each (id, path) once."""
        return _entries(self.snapshots())

    def waiting(self) -> list[Queued]:
        """The snapshots and the queue; changes nothing."""
        return _entries([*self.snapshots(), self.queue])

    def uploaded(self) -> dict[str, str]:
        """Path to `size<TAB>mtime_ns` as of its last upload."""
        found = {}
        for line in _lines(self.folder / "agnes-sessions-uploaded.txt"):
            _, _, rest = line.rstrip("\n").partition("\t")
            path, _, mark = rest.partition("\t")
            if path:
                found[path] = mark
        return found

    def note_uploaded(self, path: Path, mark: str) -> None:
        self._note("agnes-sessions-uploaded.txt", str(path), mark)

    def note_failed(self, session_id: str, status: str, path: str) -> None:
        self._note("agnes-sessions-failed.txt", session_id, status, path)

    def note_missing(self, entry: Queued) -> None:
        self._note("agnes-sessions-missing.txt", entry.session_id, entry.path)

    def missing(self) -> list[Queued]:
        """What was queued within MISSING_DAYS and was not there."""
        since = f"{datetime.now(UTC) - timedelta(days=MISSING_DAYS):%Y-%m-%dT%H:%M:%SZ}"
        lines = [line.partition("\t") for line in _lines(self.folder / "agnes-sessions-missing.txt")]
        entries = (Queued.parse(rest) for at, _, rest in lines if at >= since)
        return list(dict.fromkeys(entry for entry in entries if entry is not None))

    def note_private_skipped(self, session_id: str, path: str) -> None:
        self._note("agnes-sessions-private-skipped.txt", session_id, path)

    def log(self, name: str, text: str) -> None:
        """A line in a log that is begun again when it has grown large."""
        path = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.unlink()
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{_utc()}\t{text}\n")

    @contextmanager
    def locked(self, name: str, *, wait: bool = True) -> Iterator[bool]:
        """Hold a lock of this workspace; with `wait=False` the value tells whether we have it. It ends with the process."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / name).open("a") as file:
            yield hold_lock(file.fileno(), wait=wait)

    def _note(self, name: str, *fields: str) -> None:
        _append(self.folder / name, ["\t".join((_utc(), *fields))])


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise Failure("the current directory is gone", hint="Go to another one.") from None


def _entries(files: Iterable[Path]) -> list[Queued]:
    entries = (Queued.parse(line) for file in files for line in _lines(file))
    return list(dict.fromkeys(entry for entry in entries if entry is not None))


def hold_lock(fd: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; False if another process has it and we do not wait."""
    if sys.platform == "win32":
        import msvcrt

        try:
            msvcrt.locking(fd, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        import fcntl

        try:
            fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape").split("\n")
    except (FileNotFoundError, NotADirectoryError):
        return []


def _append(path: Path, lines: list[str]) -> None:
    """Behind a line that a crash has cut short, a new one is begun, so that it spoils no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab+") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        whole = file.read(1) in (b"", b"\n")
        file.write(
            ("" if whole else "\n").encode() + "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
        )
        file.flush()
        os.fsync(file.fileno())


def _utc() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
