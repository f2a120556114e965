"""The embedded default as processes of its own: `python -m agnes_local run` over a folder, as `make run` starts it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from agnes_local.process import GUARD
from tests.builders.patience import PATIENCE_SECONDS

_ADDRESS = re.compile(rb"^Agnes is at (\S+)$", re.MULTILINE)


class EmbeddedServer:
    """A server over `folder`/data that can be stopped, killed and started again on what it left."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.log = folder / "agnes.log"
        self._environ = {
            **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
            "HOME": str(folder),
            "AGNES_DATA_DIR": str(folder / "data"),
            "PORT": "0",
            **environ,
        }
        self._guard: subprocess.Popen[bytes] | None = None
        self.base_url = ""

    def start(self) -> None:
        said = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            # The guard ends the server when this process ends, however it ends.
            self._guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), sys.executable, "-m", "agnes_local", "run"],
                env=self._environ,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := _ADDRESS.search(self.log.read_bytes()[said:])):
            assert self._guard.poll() is None, f"the server ended:\n{self.log_tail()}"
            assert time.monotonic() < deadline, (
                f"the server was not ready after {PATIENCE_SECONDS} s:\n{self.log_tail()}"
            )
            time.sleep(0.05)
        self.base_url = found[1].decode()

    def stop(self) -> None:
        if self._guard is not None:
            self._guard.terminate()
            self._guard.wait()
            self._guard.stdin.close()
            self._guard = None

    def kill(self) -> None:
        """SIGKILL to every process of it at once: no signal handler, no flush, no goodbye."""
        for pid in self._descendants(self._guard.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._guard.wait()
        self._guard.stdin.close()
        self._guard = None

    def run_job(self, name: str) -> None:
        """Run a scheduled job now, as an operator on this machine does."""
        command = [sys.executable, "-m", "agnes_local", "run-job", name]
        subprocess.run(command, env=self._environ, check=True, capture_output=True, timeout=PATIENCE_SECONDS)

    def workers(self) -> list[int]:
        """The gateway's worker processes: the processes of it that serve requests."""
        processes = _processes()
        gateways = [pid for pid in self._descendants(self._guard.pid) if "agnes_local.gateway" in processes[pid][1]]
        return [pid for pid in gateways if processes[pid][0] in gateways]

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _descendants(self, root: int) -> list[int]:
        processes, found = _processes(), [root]
        for pid in found:
            found += [child for child, (parent, _) in processes.items() if parent == pid]
        return found[1:]


def _processes() -> dict[int, tuple[int, str]]:
    """By pid, the parent and the command line of all processes."""
    listing = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True)
    rows = (line.split(None, 2) for line in listing.stdout.splitlines())
    return {int(row[0]): (int(row[1]), row[2] if len(row) > 2 else "") for row in rows}


@contextlib.contextmanager
def embedded_server(folder: Path, environ: Mapping[str, str]) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(folder, environ)
    try:
        server.start()
        yield server
    finally:
        server.stop()
