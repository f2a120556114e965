"""Kills `agnes pull` at each of its lines in turn, and looks that the next one ends equal: `python -m … FOLDER`.

The victim is a fork that ends itself (no cleaning up, as under SIGKILL) at its Nth line of our modules, whichever thread runs it.
Prints how many lines there were.
"""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from pathlib import Path
from typing import Any

from agnes_cli.tables import copies as copies_module
from agnes_cli.tables import fetching, pulling
from agnes_cli.tables.copies import TableCopies
from tests.builders.object_server import ObjectServer

OURS = {module.__file__ for module in (copies_module, fetching, pulling)}
KILLED = 9
FIRST = {"orders": [b"first order" * 40, b"second" * 50], "gone": [b"gone" * 30]}
SECOND = {"orders": [b"first order" * 40, b"third" * 70], "new": [b"new" * 90]}


def manifest(tables: dict[str, list[bytes]]) -> list[dict[str, Any]]:
    return [
        {
            "id": id_,
            "name": id_,
            "hash": hashlib.sha256(b"".join(parts)).hexdigest(),
            "changed_at": "2026-11-30T00:00:00Z",
            "rows": len(parts),
            "size_bytes": sum(map(len, parts)),
            "objects": [
                {"sha256": hashlib.sha256(part).hexdigest(), "size_bytes": len(part), "rows": 1, "partition": None}
                for part in parts
            ],
        }
        for id_, parts in tables.items()
    ]


class Given:
    """What a pull asks of the server."""

    url = "https://agnes.example.com"

    def __init__(self, objects: ObjectServer, tables: dict[str, list[bytes]]) -> None:
        self._objects = objects
        self._tables = manifest(tables)
        self._etag = hashlib.sha256(repr(self._tables).encode()).hexdigest()

    def get_if_changed(self, path: str, *, etag: str) -> tuple[str, Any] | None:
        assert path == pulling.MANIFEST
        return None if etag == self._etag else (self._etag, {"tables": self._tables})

    def find_redirect(self, path: str, *, etag: str) -> tuple[str, str]:
        assert etag == ""
        return "", self._objects.url(path.rpartition("/")[2])


def pull(root: Path, server: Given) -> pulling.Outcome:
    copies = TableCopies(root)
    with pulling.locked(copies, wait=True):
        done = pulling.Pull(copies, server, pulling.Progress(), side_by_side=2, delays=()).run()  # type: ignore[arg-type]
        pulling.clean(done)
    return done


def held(root: Path) -> dict[str, list[bytes]]:
    """What a query would read: table → the bytes of its objects."""
    copies = TableCopies(root)
    return {found.id: [path.read_bytes() for path in copies.paths(found)] for found in copies.tables()}


def killed_at(line: int, root: Path, server: Given) -> bool:
    child = os.fork()
    if child == 0:
        left = line

        def trace(frame: Any, event: str, _arg: object) -> Any:
            nonlocal left
            if frame.f_code.co_filename not in OURS:
                return None
            if event == "line":
                left -= 1
                if left <= 0:
                    os._exit(KILLED)
            return trace

        threading.settrace(trace)
        sys.settrace(trace)
        try:
            pull(root, server)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def main(folder: Path, step: int) -> int:
    objects = {
        hashlib.sha256(part).hexdigest(): part for each in (FIRST, SECOND) for parts in each.values() for part in parts
    }
    with ObjectServer(objects) as server:
        line = 1
        while True:
            root = folder / str(line)
            pull(root, Given(server, FIRST))
            assert held(root) == FIRST
            killed = killed_at(line, root, Given(server, SECOND))
            between = held(root)
            for id_, parts in between.items():
                assert parts in (FIRST.get(id_), SECOND.get(id_)), (
                    f"killed at line {line}: {id_} is half of two versions"
                )
            assert "orders" in between, f"killed at line {line}: the last good copy is lost"
            done = pull(root, Given(server, SECOND))
            assert not done.failed
            assert held(root) == SECOND, f"killed at line {line}"
            left = sorted(path.name for path in root.rglob("*.part")) + sorted(map(str, root.rglob("gone/*")))
            assert not left, f"killed at line {line}: {left}"
            if not killed:
                return line
            line += step


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2])))
