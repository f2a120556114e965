"""An SFTP server. Its host key is pinned: any other key is refused, whoever has signed it.

The library is asyncio's, which makes every step one that can be given up in time: a server that hangs, drips or dies costs
its own location the time that it has, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import stat
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

from agnes.kernel.drops import DropFile, DropPattern, DropRefused, DropUnreachable, FileUnreadable, Place
from agnes.kernel.ports import Secret
from agnes.outside.drops.places import addresses_of
from agnes.outside.drops.walk import Kind, Named, walk
from agnes.outside.egress import dial

if TYPE_CHECKING:
    import asyncssh

CONNECT_SECONDS = 15.0
SILENCE_SECONDS = 20.0
"""For one folder, or for the first bytes of a file; a file has more by its size."""
SLOWEST_BYTES_A_SECOND = 100_000
T = TypeVar("T")


class HostKeyChanged(DropRefused):
    code = "host_key_changed"

    def __init__(self, host: str) -> None:
        super().__init__(
            f"{host} shows another host key than the one that an admin confirmed",
            hint="If the server was set up anew, test the location, compare the fingerprint, and PATCH `host_key`.",
        )


@contextmanager
def open_sftp(place: Place, credential: Secret | None, *, seconds: float, allow: frozenset[str]) -> Iterator[SftpDrop]:
    if not place.host_key:
        raise DropRefused(
            f"the host key of {place.host} is not confirmed",
            code="host_key_unconfirmed",
            hint="Test the location, compare the fingerprint that it shows, and send it as `host_key`.",
        )
    with _Loop(seconds) as loop:
        connection = loop.connection = loop.run(_connected(place, credential, allow), CONNECT_SECONDS, place.host)
        try:
            yield SftpDrop(
                loop,
                loop.run(_client_of(connection), SILENCE_SECONDS, place.host),
                place.host,
            )
        finally:
            connection.abort()
            with suppress(DropUnreachable, DropRefused):
                loop.run(connection.wait_closed(), 2.0, place.host)


def host_key(place: Place, *, allow: frozenset[str]) -> str:
    """What the server shows, without signing in. Raises DropUnreachable, DropRefused."""

    async def ask() -> asyncssh.SSHKey | None:
        import asyncssh

        sock = await _dialled(place, allow)
        return await asyncssh.get_server_host_key(place.host, place.port, sock=sock, config=None)

    with _Loop(CONNECT_SECONDS) as loop:
        key = loop.run(ask(), CONNECT_SECONDS, place.host)
    if key is None:
        raise DropUnreachable(f"{place.host} showed no host key")
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


class SftpDrop:
    def __init__(self, loop: _Loop, client: asyncssh.SFTPClient, host: str) -> None:
        self._loop = loop
        self._client = client
        self._host = host

    def files(self, pattern: DropPattern, *, limit: int) -> Iterator[DropFile]:
        root = ("/" if pattern.is_absolute else "") + "/".join(pattern.fixed)

        def list_folder(below: tuple[str, ...]) -> list[Named]:
            path = "/".join((root.rstrip("/"), *below)) if root else "/".join(below)
            return self._loop.run(
                self._listed(path or root or ".", limit, is_root=not below), SILENCE_SECONDS, self._host
            )

        return walk(pattern, list_folder, limit=limit)

    def read(self, file: DropFile) -> bytes | None:
        seconds = SILENCE_SECONDS + file.size_bytes / SLOWEST_BYTES_A_SECOND
        return self._loop.run(self._read(file), seconds, self._host)

    async def _listed(self, path: str, limit: int, *, is_root: bool) -> list[Named]:
        import asyncssh

        found: list[Named] = []
        try:
            async for entry in self._client.scandir(path.encode()):
                named = _named(entry)
                if named is not None:
                    found.append(named)
                if len(found) == limit:
                    break
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPPermissionDenied) as error:
            if is_root:
                raise DropUnreachable(
                    f"{self._host}: {path} cannot be listed: {error.reason}", code="location_missing"
                ) from error
        except asyncssh.SFTPFailure:
            if is_root:
                raise
        return found

    async def _read(self, file: DropFile) -> bytes | None:
        import asyncssh

        try:
            # A link that took the file's place since the listing is the server's to judge; its type is asked once more.
            attributes = await self._client.lstat(file.path.encode())
            if attributes.permissions is None or not stat.S_ISREG(attributes.permissions):
                return None
            async with self._client.open(file.path.encode(), "rb", encoding=None) as stream:
                content: bytes | str = await stream.read(file.size_bytes)
                assert isinstance(content, bytes)  # it is opened without an encoding
                return content
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return None
        except (asyncssh.SFTPNoConnection, asyncssh.SFTPConnectionLost):
            raise
        except asyncssh.SFTPError as error:  # a permission, a bad disk: the server's word on this file
            raise FileUnreadable(f"{self._host}: {file.path}: {error.reason}") from error


async def _client_of(connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
    return await connection.start_sftp_client(path_encoding=None)


class _Loop:
    """Runs one step after another, each until its own time or the location's is over."""

    def __init__(self, seconds: float) -> None:
        self._until = time.monotonic() + seconds
        self._runner = asyncio.Runner()
        self.connection: asyncssh.SSHClientConnection | None = None

    def __enter__(self) -> Self:
        logging.getLogger("asyncssh").setLevel(logging.WARNING)
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()

    def run(self, step: Coroutine[Any, Any, T], seconds: float, host: str) -> T:
        """Raises DropUnreachable, DropRefused."""
        import asyncssh

        left = self._until - time.monotonic()
        if left <= 0:
            step.close()
            raise DropUnreachable(f"the time for {host} is over", code="location_slow")
        try:
            return self._runner.run(self._bounded(step, min(seconds, left)))
        except TimeoutError as error:
            raise DropUnreachable(f"{host} did not answer in time", code="location_slow") from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise HostKeyChanged(host) from error
        except asyncssh.PermissionDenied as error:
            raise DropRefused(
                f"{host} does not take the credentials",
                code="credentials_refused",
                hint="Check user and key or password.",
            ) from error
        except (asyncssh.Error, OSError, ValueError) as error:
            said = getattr(error, "reason", "") or type(error).__name__
            raise DropUnreachable(f"{host}: {str(said)[:200]}") from error

    async def _bounded(self, step: Coroutine[Any, Any, T], seconds: float) -> T:
        """Not `wait_for`: a step that is given up says goodbye to a server that may not answer that, either."""
        task = asyncio.ensure_future(step)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        if self.connection:
            self.connection.abort()
        task.cancel()
        await asyncio.wait({task}, timeout=2.0)
        raise TimeoutError


async def _dialled(place: Place, allow: frozenset[str]) -> socket.socket:
    def connected() -> socket.socket:
        return dial(addresses_of(place.host, place.port, allow=allow), seconds=CONNECT_SECONDS - 5)

    sock = await asyncio.get_running_loop().run_in_executor(None, connected)
    sock.setblocking(False)
    return sock


async def _connected(place: Place, credential: Secret | None, allow: frozenset[str]) -> asyncssh.SSHClientConnection:
    import asyncssh

    given = json.loads(credential.value) if credential else {}
    keys: list[Any] = []
    if given.get("private_key"):
        try:
            keys = [asyncssh.import_private_key(given["private_key"], given.get("passphrase") or None)]
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
            raise DropRefused(
                "the private key cannot be read",
                code="invalid_private_key",
                hint="Send it whole, with its passphrase if it has one.",
            ) from error
    pinned = asyncssh.import_public_key(place.host_key)
    sock = await _dialled(place, allow)
    # Nothing of the machine's own takes part: no agent, no ~/.ssh, no certificates, no configuration.
    return await asyncssh.connect(
        place.host,
        place.port,
        sock=sock,
        config=None,
        username=place.username,
        known_hosts=([pinned], [], []),
        client_keys=keys or None,
        password=given.get("password") or None,
        agent_path=None,
        gss_host=None,
        x509_trusted_certs=None,
        preferred_auth="publickey" if keys else "password,keyboard-interactive",
        login_timeout=CONNECT_SECONDS,
        compression_algs=None,
    )


def _named(entry: asyncssh.SFTPName) -> Named | None:
    raw, attributes = entry.filename, entry.attrs
    name = raw.decode(errors="backslashreplace") if isinstance(raw, bytes) else raw
    if name in (".", "..") or "/" in name or "\0" in name or not name:
        return None  # what the server says of other folders is not asked for
    mode = attributes.permissions or 0
    kinds: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link"}
    size, mtime = attributes.size or 0, attributes.mtime or 0
    return Named(
        name, kinds.get(stat.S_IFMT(mode), "other"), size, f"{size}-{int(mtime)}", datetime.fromtimestamp(mtime, UTC)
    )
