from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from agnes_cli import config, installation, settings_file, shown
from agnes_cli.failures import Failure
from agnes_cli.options import JSON
from agnes_cli.workspace import RECORD, SENTINEL, Workspace


@click.command(epilog="\b\nExample:\n  agnes status --json")
@JSON
def command(as_json: bool) -> None:
    """Show what this workspace has: whether it is set up, its tables, and what waits to be sent. Asks no server."""
    from agnes_cli.tables.copies import FAILED, PULLED, TableCopies

    place = Workspace()
    copies = TableCopies(place.root)
    credential = config.find_credential()
    found: dict[str, Any] = {
        "workspace": str(place.root),
        "initialized": (place.folder / SENTINEL).exists() or _has_hooks(place),
        "server": config.find_server(),
        "signed_in_as": credential.email if credential else None,
        "tables": len(copies.tables()),
        "parquet_tables": len(copies.tables()),
        "duckdb_exists": (copies.root / "user" / "duckdb" / "analytics.duckdb").exists(),
        "last_synced": _time_of(copies.folder / PULLED),
        "tables_problem": _text_of(copies.folder / FAILED),
        "plugins": len((_plugins(place) or {}).get("plugins", {})),
        "sessions_pending_upload": len(place.waiting()),
    }
    if as_json:
        shown.as_json(found)
        return
    shown.facts(
        {
            "Workspace": found["workspace"],
            "Set up": "yes" if found["initialized"] else "no: run agnes init",
            "Server": found["server"] or "none: run agnes login --server URL",
            "Signed in as": found["signed_in_as"]
            if credential and credential.email
            else "with a token"
            if credential
            else "nobody: run agnes login",
            "Tables": f"{found['tables']}, {_since(found['last_synced'])}",
            "Tables left as they were": found["tables_problem"],
            "Plugins installed": found["plugins"],
            "Sessions waiting to be sent": found["sessions_pending_upload"],
        }
    )


def _has_hooks(place: Workspace) -> bool:
    try:
        return not installation.missing(settings_file.read(place.folder / "settings.json"))
    except Failure:
        return False


def _plugins(place: Workspace) -> dict[str, Any] | None:
    from agnes_cli.marketplace_copy import read_json

    found = read_json(place.folder / RECORD)
    return found if isinstance(found, dict) else None


def _time_of(path: Path) -> str | None:
    try:
        return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except OSError:
        return None


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _since(at: str | None) -> str:
    return f"up to date on {at.replace('T', ' ')}" if at else "never pulled"
