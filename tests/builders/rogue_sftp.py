"""An SFTP server that misbehaves, in a thread: it hangs, dies in the middle of a file, or names what it should not."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from agnes.kernel.drops import Place
from agnes.kernel.ports import Secret
from tests.builders.patience import PATIENCE_SECONDS

USER, PASSWORD = "drop", "let-me-in"


@dataclass
class Conduct:
    """What the server does; files are `/<user>/<name>`."""

    names: dict[bytes, bytes] = field(default_factory=lambda: {b"ada": b""})
    """Entries of `/`, all folders; each holds `files`."""
    files: dict[bytes, bytes] = field(default_factory=dict)
    hang_on_list: bool = False
    hung: bool = field(default=False, init=False)
    """Whether it came to where it hangs or dies."""
    endless: bool = False
    die_reading: bytes = b""
    """The file whose second block never comes: the connection ends instead."""
    hang_reading: bytes = b""
    refuse_reading: bytes = b""
    """The file that the server lists and cannot open."""
    lie_about_size: int = 0


@dataclass
class Rogue:
    place: Place
    credential: Secret
    conduct: Conduct


@contextlib.contextmanager
def rogue_sftp(conduct: Conduct) -> Iterator[Rogue]:
    ready: list[Any] = []
    begun = threading.Event()

    async def serve() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        stop = asyncio.Event()

        class Server(asyncssh.SSHServer):
            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (USER, PASSWORD)

        class Sftp(asyncssh.SFTPServer):
            async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
                if conduct.hang_on_list and path != b"/":
                    conduct.hung = True
                    await asyncio.sleep(3600)
                at_top = path in (b"/", b".", b"")
                for name, body in (conduct.names if at_top else conduct.files).items():
                    yield asyncssh.SFTPName(name, attrs=_attributes(body, folder=at_top, size=conduct.lie_about_size))
                number = 0
                while conduct.endless:
                    number += 1
                    yield asyncssh.SFTPName(b"%d.jsonl" % number, attrs=_attributes(b"{}", folder=at_top))

            def lstat(self, path: bytes) -> asyncssh.SFTPAttrs:
                return _attributes(self._body(path), folder=False)

            def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
                if conduct.refuse_reading and path.endswith(conduct.refuse_reading):
                    raise asyncssh.SFTPFailure("input/output error")
                return path

            async def read(self, file_obj: object, offset: int, size: int) -> bytes:
                name = file_obj.rpartition(b"/")[2]
                if name in (conduct.die_reading, conduct.hang_reading):
                    if not offset:
                        return self._body(file_obj)[:100_000]
                    conduct.hung = True
                    if name == conduct.die_reading:
                        self._chan.get_connection().abort()
                    await asyncio.sleep(3600)
                return self._body(file_obj)[offset : offset + size]

            async def close(self, file_obj: object) -> None:
                pass

            def _body(self, path: bytes) -> bytes:
                name = path.rpartition(b"/")[2]
                if name not in conduct.files:
                    raise asyncssh.SFTPNoSuchFile("no such file")
                return conduct.files[name]

            def __init__(self, chan: Any) -> None:
                super().__init__(chan)
                self._chan = chan

        acceptor = await asyncssh.create_server(
            Server, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=Sftp, gss_host=None, allow_scp=False
        )
        shown = " ".join(key.export_public_key().decode().split()[:2])
        ready.extend((acceptor.get_port(), shown, asyncio.get_running_loop(), stop))
        begun.set()
        await stop.wait()
        acceptor.close()
        await acceptor.wait_closed()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert begun.wait(PATIENCE_SECONDS)
    port, shown, loop, stop = ready
    try:
        place = Place("sftp", "127.0.0.1", port, USER, shown)
        yield Rogue(place, Secret(f'{{"password": "{PASSWORD}"}}'), conduct)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE_SECONDS)


def _attributes(body: bytes, *, folder: bool, size: int = 0) -> asyncssh.SFTPAttrs:
    mode = stat.S_IFDIR | 0o755 if folder else stat.S_IFREG | 0o644
    return asyncssh.SFTPAttrs(permissions=mode, size=size or len(body), mtime=1_700_000_000, atime=1_700_000_000)
