"""Runs a server so that it never outlives the one who started it. Used as a script: guard.py COMMAND...

The guard leads a session of its own and holds the reading end of a pipe as its standard input. When the
pipe closes (its starter ended, however), on SIGTERM or SIGINT, and when the server itself ends, it ends
every process of its session, and ends itself when none is left: SIGTERM first, SIGKILL after two seconds
(tests keep nothing, so a server has nothing to bring to safety).
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

GRACE_SECONDS = 2.0
# How long a killed process may take to be gone: only one that hangs in the kernel takes more.
KILL_SECONDS = 10.0


def main(command: list[str]) -> int:
    woken, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    with selectors.DefaultSelector() as selector:
        selector.register(woken, selectors.EVENT_READ)
        selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        # Nothing is ever written to the pipe, so either of the two means the end.
        selector.select()
    _end(signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while _others() and time.monotonic() < deadline:
        server.poll()  # reaps it, or it stays in the session as a zombie
        time.sleep(0.02)
    # A process that was sent SIGKILL lives until it is scheduled once more, and may have started another meanwhile.
    deadline = time.monotonic() + KILL_SECONDS
    while _others() and time.monotonic() < deadline:
        _end(signal.SIGKILL)
        server.poll()
        time.sleep(0.005)
    return server.wait()


def _end(number: signal.Signals) -> None:
    for pid in _others():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _others() -> list[int]:
    """Living processes of our session, without us; where there is no /proc, those of our group."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        rows = [line.split()[:3] for line in listing.stdout.splitlines()]
        return [
            int(pid)
            for pid, group, state in rows
            if int(group) == os.getpgrp() != int(pid) and not state.startswith("Z")
        ]
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            # pid (name) state ppid pgrp session …; the name may hold spaces and brackets
            state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            if int(session) == os.getsid(0) and state != "Z":
                found.append(int(entry.name))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
