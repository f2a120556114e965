"""PostgreSQL of Debian on loopback, for tests: an empty cluster of its own at the start, gone at the end.

    apt-get install postgresql

It refuses to run as root; then it runs as the user `postgres` that the package makes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

from agnes_local.install import InstallFailed
from agnes_local.process import ServerProcess, clean_environment, free_port, running

READY_SECONDS = 60.0
USER = "agnes"


@dataclasses.dataclass(frozen=True)
class PostgresServer:
    host: str
    port: int
    user: str
    password: str
    process: ServerProcess

    def wait_ready(self) -> None:
        self.process.wait_ready(self._answers, READY_SECONDS)

    def _answers(self) -> bool:
        asked = [str(programs() / "pg_isready"), "-q", "-h", self.host, "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def programs() -> Path:
    """Where the newest installed PostgreSQL has its programs. Raises InstallFailed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        raise InstallFailed("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].parent


@contextlib.contextmanager
def postgresql() -> Iterator[PostgresServer]:
    """A server with one superuser, `agnes`, who needs a password. Raises InstallFailed, ServerFailed."""
    bin_folder, port, password = programs(), free_port(), secrets.token_urlsafe(24)

    def command(folder: Path) -> list[str]:
        data, word = folder / "data", folder / "password"
        word.write_text(password)
        begin = (
            f"{bin_folder}/initdb -D {shlex.quote(str(data))} -U {USER} --pwfile={shlex.quote(str(word))} "
            "--auth=scram-sha-256 -E UTF8 --locale=C.UTF-8 --no-sync"
        )
        run = (
            f"exec {bin_folder}/postgres -D {shlex.quote(str(data))} -p {port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories= -c fsync=off -c shared_buffers=32MB"
        )
        as_user: list[str] = []
        if os.geteuid() == 0:
            import pwd

            owner = pwd.getpwnam("postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
            os.chown(word, owner.pw_uid, owner.pw_gid)
            as_user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
        return [*as_user, "sh", "-c", f"{begin} && {run}"]

    with running("postgresql", command, clean_environment) as process:
        server = PostgresServer("127.0.0.1", port, USER, password, process)
        server.wait_ready()
        yield server
