"""A server of the tests as a process: started on loopback, waited for, stopped with everything it began."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

GUARD = Path(__file__).with_name("guard.py")


class ServerFailed(Exception):
    """A server did not become ready. `log_tail` is the end of what it said."""

    def __init__(self, name: str, reason: str, log_tail: str) -> None:
        super().__init__(f"{name} {reason}. The end of its log:\n{log_tail or '(nothing)'}")
        self.name = name
        self.reason = reason
        self.log_tail = log_tail


class ServerProcess:
    """A running server: its `folder` (removed when it stops), its log, its guard process."""

    def __init__(self, name: str, folder: Path, guard: subprocess.Popen[bytes]) -> None:
        self.name = name
        self.folder = folder
        self._guard = guard

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_ready(self, is_ready: Callable[[], bool], within_seconds: float) -> None:
        deadline = time.monotonic() + within_seconds
        while not is_ready():
            if self._guard.poll() is not None:
                raise ServerFailed(self.name, f"ended with status {self._guard.returncode}", self.log_tail())
            if time.monotonic() > deadline:
                raise ServerFailed(self.name, f"was not ready after {within_seconds:g} s", self.log_tail())
            time.sleep(0.05)

    def stop(self) -> None:
        if self._guard.poll() is None:
            self._guard.terminate()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


@contextlib.contextmanager
def running(
    name: str, command: Callable[[Path], Sequence[str]], environment: Callable[[Path], Mapping[str, str]]
) -> Iterator[ServerProcess]:
    """Starts `command(folder)` with exactly `environment(folder)`, in a new folder for its data, and stops it at the end.

    It is also stopped when this process ends without coming back here, by SIGKILL too.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"agnes-{name}-"))
    try:
        with (folder / f"{name}.log").open("wb") as log:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(GUARD), *command(folder)],
                cwd=folder,
                env=dict(environment(folder)),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        server = ServerProcess(name, folder, guard)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def clean_environment(folder: Path) -> dict[str, str]:
    """What a server needs of our environment: no credentials, no proxy, no Python settings; its caches go to its folder."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "LANG": "C.UTF-8",
        "NO_PROXY": "*",
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    """Whether this URL answers 2xx now, asked directly and not through a proxy."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2):
            return True
    except (urllib.error.URLError, OSError):
        return False
