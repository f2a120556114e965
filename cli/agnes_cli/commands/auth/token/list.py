from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click

from agnes_cli import shown
from agnes_cli.options import JSON


@click.command()
@click.option("--all", "with_ended", is_flag=True, help="Also those that are revoked or have expired.")
@JSON
def command(with_ended: bool, as_json: bool) -> None:
    """List your access tokens with scope, end and last use."""
    from agnes_cli.server import connect

    with connect() as server:
        tokens = server.get("/auth/tokens")
    now = datetime.now(UTC)
    tokens = [{**token, "status": _status(token, now)} for token in tokens]
    if not with_ended:
        tokens = [token for token in tokens if token["status"] in ("active", "ends soon")]
    if as_json:
        shown.as_json(tokens)
        return
    columns = {
        "ID": "id",
        "NAME": "name",
        "SCOPE": "scope",
        "STATUS": "status",
        "EXPIRES": "expires_at",
        "LAST USED": "last_used_at",
        "FROM": "last_used_ip",
    }
    shown.table(columns, tokens, none="You have no access tokens. `agnes auth token create` makes one.")


def _status(token: dict[str, object], now: datetime) -> str:
    if token.get("revoked_at"):
        return "revoked"
    if not (ends := token.get("expires_at")):
        return "active"
    left = datetime.fromisoformat(str(ends)) - now
    return "expired" if left <= timedelta(0) else "ends soon" if left < timedelta(days=14) else "active"
