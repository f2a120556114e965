"""Checks of this computer and of the server, whatever the workspace."""

from __future__ import annotations

import platform
import shutil
import stat
import sys
from importlib.util import find_spec

from agnes_cli import VERSION, config
from agnes_cli.checking import OK, WARNING, Check
from agnes_cli.failures import Failure
from agnes_cli.storing import size

LITTLE_BYTES = 2_000_000_000
CLOCK_SECONDS = 120


def of_computer() -> list[Check]:
    return [
        Check(
            "agnes", OK, f"{VERSION} on Python {platform.python_version()}, {platform.system()} {platform.machine()}"
        ),
        _duckdb(),
        _program("git", "fetches plugins", "Without git plugins come as a zip, whole each time."),
        _program("uv", "installs what commands need", "Without uv, pip does it."),
        _readers(),
        _room(),
    ]


def of_server() -> list[Check]:
    """Without being signed in: whether it answers, how it is, and whether its clock and versions agree with these."""
    from agnes_cli.server import Server

    try:
        with Server(config.get_server()) as server:
            version, health = server.get("/api/version"), server.get("/api/health")
            ahead = server.clock_ahead_seconds
    except Failure as failure:
        return [Check("server", WARNING, failure.message, failure.hint or "")]
    status = str(health.get("status"))
    is_well = status in ("ok", "healthy")
    found = [
        Check("server", OK, f"Agnes {version['version']} at {config.find_server()}"),
        Check("health", OK if is_well else WARNING, status, "" if is_well else "Tell an admin of your Agnes server."),
    ]
    if ahead is not None and abs(ahead) > CLOCK_SECONDS:
        found.append(Check("clock", WARNING, f"{ahead:+.0f} s against the server's", "Set this computer's clock."))
    elif ahead is not None:
        found.append(Check("clock", OK, f"{ahead:+.0f} s against the server's"))
    return found


def _duckdb() -> Check:
    lib = config.folder() / "lib"
    is_there = find_spec("duckdb") is not None or any(lib.glob(f"duckdb-*-{sys.implementation.cache_tag}"))
    return Check("duckdb", OK, "is installed" if is_there else "is not installed; the first query installs it")


def _program(name: str, what: str, without: str) -> Check:
    path = shutil.which(name)
    return Check(name, OK, f"{path} {what}" if path else f"is not on the PATH. {without}")


def _readers() -> Check:
    """Whether the token is readable by its owner only."""
    token = config.folder() / "token.json"
    try:
        mode = stat.S_IMODE(token.stat().st_mode)
    except OSError:
        return Check("token", OK, "none is stored")
    if sys.platform != "win32" and mode & 0o077:
        return Check("token", WARNING, f"others may read {token}", f"Run: chmod 600 {token}")
    return Check("token", OK, f"only you may read {token}")


def _room() -> Check:
    from agnes_cli.workspace import Workspace

    free = shutil.disk_usage(Workspace().root).free
    if free < LITTLE_BYTES:
        return Check(
            "disk", WARNING, f"{size(free)} are left", "`agnes disk-info` shows what tables and snapshots take."
        )
    return Check("disk", OK, f"{size(free)} are left")
