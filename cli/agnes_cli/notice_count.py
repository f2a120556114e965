"""How many notices wait, as the last command that asked the server knew: the status line shows it without a network."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from agnes_cli import config
from agnes_cli.failures import Failure
from agnes_cli.privacy import NOTICES

if TYPE_CHECKING:
    from agnes_cli.server import Server


def write(count: int) -> None:
    """Never fails: a full disk must not stop what else is done."""
    with suppress(OSError):
        config.write_private(config.folder() / NOTICES, str(count))


def ask(server: Server) -> None:
    """Ask the server and remember. Never fails: a server of an earlier release has no notices."""
    with suppress(Failure, KeyError, TypeError):
        write(int(server.get("/api/store/notices")["unread"]))
