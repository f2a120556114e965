from __future__ import annotations

import json
import sys
from typing import Any

import click

from agnes_cli import config, elsewhere
from agnes_cli.failures import Failure
from agnes_cli.options import JSON


@click.group(epilog="\b\nExample:\n  agnes setup verify --json")
def command() -> None:
    """For who sets up an installation: whether it can be reached, is set up, and works."""


@command.command("test-connection")
def test_connection() -> None:
    """Ask the server whether it is there."""
    from agnes_cli.server import Server

    with Server(config.get_server()) as server:
        found = server.get("/api/version")
    click.echo(f"{config.get_server()} answers: Agnes {found['version']}.")


@command.command("first-sync")
def first_sync() -> None:
    """Have every registered table and marketplace collected now."""
    from agnes_cli.server import connect, route

    with connect() as server:
        tables = server.post("/api/admin/tables/collect", {"tables": None})["tables"]
        marketplaces = server.get("/api/marketplaces")
        for each in marketplaces:
            server.post(route("api", "marketplaces", str(each["id"]), "sync"))
    click.echo(f"{len(tables)} tables and {len(marketplaces)} marketplaces are being collected.")


@command.command()
@JSON
def verify(as_json: bool) -> None:
    """Check the installation: it answers, it is healthy, you are an admin, there is something to share. Exit code 1 on a failure."""
    checks = [_check(name, run) for name, run in _CHECKS.items()]
    overall = (
        "fail"
        if any(c["status"] == "fail" for c in checks)
        else "warn"
        if any(c["status"] == "warn" for c in checks)
        else "pass"
    )
    if as_json:
        click.echo(json.dumps({"overall": overall, "checks": checks}, indent=2))
    else:
        for check in checks:
            click.echo(f"[{check['status']}] {check['name']}: {check['detail']}")
        click.echo(f"Overall: {overall}")
    if overall == "fail":
        sys.exit(1)


def _check(name: str, run: Any) -> dict[str, str]:
    try:
        status, detail = run()
    except Failure as failure:
        status, detail = "fail", " ".join(filter(None, (failure.message, failure.hint)))
    return {"name": name, "status": status, "detail": detail}


def _answers() -> tuple[str, str]:
    from agnes_cli.server import Server

    with Server(config.get_server()) as server:
        return "pass", f"Agnes {server.get('/api/version')['version']} at {server.url}"


def _healthy() -> tuple[str, str]:
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/admin/activity/health")
    color = str(found.get("status"))
    return {"green": "pass", "yellow": "warn"}.get(color, "fail"), str(found.get("sentence", color))


def _marketplaces() -> tuple[str, str]:
    from agnes_cli.server import connect

    with connect() as server:
        count = len(server.get("/api/marketplaces"))
    return (
        ("pass", f"{count} registered") if count else ("warn", "none is registered: agnes admin marketplace register")
    )


def _tables() -> tuple[str, str]:
    from agnes_cli.server import connect

    with connect() as server:
        rows = server.get("/api/admin/tables/registry")
    failed = [row["table"]["id"] for row in rows if (row.get("collection") or {}).get("failures")]
    if failed:
        return "warn", f"{len(failed)} of {len(rows)} failed at their last run: {', '.join(failed[:5])}"
    return ("pass", f"{len(rows)} registered") if rows else ("warn", "none is registered: agnes admin table register")


_CHECKS = {"server": _answers, "health": _healthy, "marketplaces": _marketplaces, "tables": _tables}

elsewhere.add(
    command,
    {
        "init": "A first start prints a link by which the first admin is made (docs/runbooks/deploy.md); analysts run `agnes onboard`.",
        "bootstrap": "A first start prints a link by which the first admin is made (docs/runbooks/deploy.md).",
    },
)
