"""Git as nobody sane writes it: raw tree entries, packs by hand, and a server that answers what it is told.

`RawRepository` writes trees entry by entry, so that names may hold anything. `GitAnswers` is a loopback server that
speaks just enough smart HTTP (protocol 0) to hand out one commit in a pack of the test's making.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from dulwich.objects import ShaFile
from dulwich.repo import Repo

from agnes.trees import git_objects as git
from tests.builders.loopback import Loopback

COMMIT_TEXT = "tree {tree}\nauthor A <a@b.example> 0 +0000\ncommitter A <a@b.example> 0 +0000\n\nraw\n"
Entry = tuple[int, bytes, str]
"""Mode, name, object id."""


def raw_tree(entries: Sequence[Entry]) -> bytes:
    return b"".join(b"%o %s\0%s" % (mode, name, bytes.fromhex(oid)) for mode, name, oid in entries)


class RawRepository:
    """A bare repository in `folder`; `publish` points its branch `main` at a tree."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        with Repo.init_bare(str(folder), default_branch=b"main"):
            pass

    @property
    def url(self) -> str:
        return self.folder.absolute().as_uri()

    def add(self, kind: int, content: bytes) -> str:
        with Repo(str(self.folder)) as repo:
            item = ShaFile.from_raw_string(kind, content)
            repo.object_store.add_object(item)
            return item.id.decode()

    def blob(self, content: bytes) -> str:
        return self.add(git.BLOB, content)

    def tree(self, entries: Sequence[Entry]) -> str:
        return self.add(git.TREE, raw_tree(entries))

    def publish(self, tree: str) -> str:
        commit = self.add(git.COMMIT, COMMIT_TEXT.format(tree=tree).encode())
        with Repo(str(self.folder)) as repo:
            repo.refs[b"refs/heads/main"] = commit.encode()
        return commit


def pkt(line: bytes) -> bytes:
    return b"%04x%s" % (len(line) + 4, line)


FLUSH = b"0000"


def advertisement(commit: str) -> bytes:
    capabilities = b"shallow side-band-64k ofs-delta thin-pack no-progress agent=test"
    line = commit.encode() + b" HEAD\0" + capabilities + b"\n"
    return pkt(b"# service=git-upload-pack\n") + FLUSH + pkt(line) + FLUSH


def fetched(commit: str, pack: bytes) -> bytes:
    """The answer to a fetch of depth 1."""
    bands = b"".join(pkt(b"\x01" + pack[at : at + 65_000]) for at in range(0, len(pack), 65_000))
    return pkt(b"shallow " + commit.encode()) + FLUSH + pkt(b"NAK\n") + bands + FLUSH


def one_commit(entries: Sequence[tuple[int, bytes]]) -> tuple[str, list[bytes]]:
    """(commit, pack entries) of a root tree of these files: (mode, content), named f0, f1 and so on."""
    blobs = [(mode, b"f%d" % number, content) for number, (mode, content) in enumerate(entries)]
    tree = raw_tree([(mode, name, git.object_id(git.BLOB, content)) for mode, name, content in blobs])
    commit = COMMIT_TEXT.format(tree=git.object_id(git.TREE, tree)).encode()
    packed = [git.pack_entry(git.COMMIT, commit), git.pack_entry(git.TREE, tree)]
    packed += [git.pack_entry(git.BLOB, content) for _, _, content in blobs]
    return git.object_id(git.COMMIT, commit), packed


def sealed(body: bytes) -> bytes:
    """A pack's bytes with their checksum."""
    return body + hashlib.sha1(body).digest()


class GitAnswers(Loopback):
    """`answer(handler)` writes each answer. `asked` holds (method, path, headers) of every request."""

    def __init__(self, answer: Callable[[Any], None], *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None: ...

            def do_GET(self) -> None:
                self.sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
                answer(self)

            def do_POST(self) -> None:
                self.do_GET()

            def reply(self, status: int, content_type: str, body: bytes, **headers: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def git(self, commit: str, pack: bytes) -> None:
                """Answer as a git server that holds this commit."""
                if self.command == "GET":
                    self.reply(200, "application/x-git-upload-pack-advertisement", advertisement(commit))
                else:
                    self.reply(200, "application/x-git-upload-pack-result", fetched(commit, pack))

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hangs up on us is what some tests are about."""

        self._bind(Handler, server=Server)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)

    def url(self, path: str = "m.git", *, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/{path}"
