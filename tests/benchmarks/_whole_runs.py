"""What a benchmark of whole runs needs beside them: another program over the same files, their memory, and all of it again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import orjson

from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.telemetry import keys
from agnes_local import ccusage_install


def ccusage(root: Path) -> tuple[float, int]:
    """Seconds, and the tokens that it found."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(root / "home"), "CLAUDE_CONFIG_DIR": str(root / "home")}
    command = [str(ccusage_install.ccusage()), "claude", "daily", "--offline", "--json"]
    started = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    seconds = time.perf_counter() - started
    return seconds, orjson.loads(done.stdout)["totals"]["totalTokens"]


def peak_of_all(work: Callable[..., Any], *args: Any) -> float:
    """MB that a process and those that it starts hold at most: pages that they share count once."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        first = pool.submit(os.getpid).result()
        working, peak = pool.submit(work, *args), 0
        while not working.done():
            peak = max(peak, _held(first))
            time.sleep(0.01)
        working.result()
    return peak * 1024 / 1_000_000


def _held(process: int) -> int:
    """PSS of a process and of its children, in KB."""
    try:
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        (own,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
        children = [path.read_text().split() for path in Path(f"/proc/{process}/task").glob("*/children")]
    except (OSError, ValueError):  # it has just ended
        return 0
    return own + sum(_held(int(child)) for found in children for child in found)


def note_all(store: ObjectStore) -> None:
    """As if nothing had been extracted yet."""
    for folder in ("state", "telemetry", "leases"):
        store.remove([entry.key for entry in store.list(f"{folder}/")])
    for entry in list(store.list("sessions/")):
        _, user, session, _ = entry.key.split("/")
        body = orjson.dumps({"user_id": user, "session_id": session, "file": "main"})
        store.write(keys.inbox(f"{hash(session) & (1 << 60):026d}"[:6] + session[-20:]), body, expect=ANYTHING)
