from __future__ import annotations

import sys
from typing import Any

import click

from agnes_cli import config, elsewhere, shown
from agnes_cli.options import JSON


@click.group(epilog="\b\nExample:\n  agnes server status --json")
def command() -> None:
    """The server: whether it is well. It runs itself; the rest says what operators use."""


@command.command()
@JSON
def status(as_json: bool) -> None:
    """Show which version answers, and whether it is healthy. Nobody needs to be signed in. Exit code 1 if it is not."""
    from agnes_cli.server import Server

    with Server(config.get_server()) as server:
        found: dict[str, Any] = {
            "server": server.url,
            **server.get("/api/version"),
            "health": server.get("/api/health"),
        }
    shown.as_json(found) if as_json else shown.facts(found)
    if str(found["health"].get("status")) not in ("ok", "healthy", "green", "degraded"):
        sys.exit(1)


elsewhere.add(
    command,
    {
        "logs": "Logs are in CloudWatch, or where `agnes-local run` was started (docs/operators.md).",
        "restart": "There is nothing to restart on AWS: functions start when they are called. Elsewhere restart `agnes-local run`.",
        "deploy": "Run `make deploy` in a checkout (docs/runbooks/deploy.md).",
        "rollback": "Deploy the former release again: its functions read the same state (docs/runbooks/deploy.md).",
        "backup": "Run `agnes-local backup` on an operator's computer (docs/runbooks).",
    },
)
