"""The versions of a marketplace's plugins: what waits, who gets which, and the kill switch."""

from __future__ import annotations

from typing import Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

BLOCKED = "/api/admin/blocked-trees"
COLUMNS = {
    "ID": "id",
    "VERSION": "version",
    "STATUS": "status",
    "SERVED": "is_served",
    "PINNED": "is_pinned",
    "GROUP": "rollout_group",
    "READ": "read_at",
    "TREE": "tree_id",
    "REASON": "why",
}
BLOCKED_COLUMNS = {
    "TREE": "tree_id",
    "REASON": "reason",
    "BY": "blocked_by",
    "SINCE": "blocked_at",
    "PLUGINS": "plugins",
}
OFF = click.option("--off", is_flag=True, help="End it.")


@click.command()
@click.argument("plugin")
@JSON
def versions(plugin: str, as_json: bool) -> None:
    """List the versions of PLUGIN (SLUG/NAME), newest first."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(_route(plugin, "versions"))
    _show(found, as_json)


@click.command()
@click.argument("plugin")
@click.argument("version")
@JSON
def review(plugin: str, version: str, as_json: bool) -> None:
    """Show what the VERSION (an id) of PLUGIN changes: capabilities, then files."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(_route(plugin, "versions", version))
    if as_json:
        shown.as_json(found)
        return
    click.echo(f"{plugin} {found['version']['version']}: {found['version']['status']}")
    for sign, change in (("+", "added"), ("-", "removed")):
        for kind, lines in found["capabilities"][change].items():
            for line in lines:
                click.echo(f"{sign} {kind}: {shown.plain(line)}")
    for patch in found["patches"]:
        click.echo("\n".join(shown.plain(line) for line in patch["text"].splitlines()))


@click.command()
@click.argument("plugin")
@click.argument("version")
@JSON
def approve(plugin: str, version: str, as_json: bool) -> None:
    """Let the VERSION (an id) of PLUGIN be served."""
    _decide(plugin, version, {"approved": True}, as_json=as_json)


@click.command()
@click.argument("plugin")
@click.argument("version")
@click.option("--reason", required=True, help="Why; it is shown to other admins.")
@JSON
def reject(plugin: str, version: str, reason: str, as_json: bool) -> None:
    """Keep the VERSION (an id) of PLUGIN back, also when it comes again."""
    _decide(plugin, version, {"approved": False, "reason": reason}, as_json=as_json)


@click.command()
@click.argument("plugin")
@click.argument("version", required=False)
@OFF
@JSON
def rollback(plugin: str, version: str | None, off: bool, as_json: bool) -> None:
    """Serve the VERSION (an id) of PLUGIN until --off."""
    from agnes_cli.server import connect

    _either(version, off=off)
    with connect() as server:
        path = _route(plugin, "rollback")
        found = server.delete(path) if off else server.post(path, {"version": version})
    _show(found, as_json)


@click.command()
@click.argument("plugin")
@click.argument("version", required=False)
@click.option("--group", help="The group that gets it first.")
@OFF
@JSON
def rollout(plugin: str, version: str | None, group: str | None, off: bool, as_json: bool) -> None:
    """Serve the VERSION (an id) of PLUGIN to one group first, until it is decided upon or --off."""
    from agnes_cli import people
    from agnes_cli.server import connect

    _either(version, off=off)
    path = _route(plugin, "rollout")
    if off:
        with connect() as server:
            found = server.delete(path)
    elif not group:
        raise BadInput("say which group gets it first", hint="--group NAME; `agnes admin group list` shows them.")
    else:
        with connect() as server:
            found = server.post(path, {"version": version, "group_id": people.group(server, group)["id"]})
    _show(found, as_json)


@click.command()
@click.argument("plugin")
@OFF
@JSON
def disable(plugin: str, off: bool, as_json: bool) -> None:
    """Take PLUGIN (SLUG/NAME) out of every feed, whatever later syncs bring."""
    from agnes_cli.server import connect

    with connect() as server:
        path = _route(plugin, "disabled")
        answer = server.delete(path) if off else server.post(path)
    if as_json:
        shown.as_json(answer)
    else:
        click.echo(f"{plugin} is {'disabled' if answer['disabled'] else 'enabled'}.")


@click.command()
@click.argument("tree")
@click.option("--reason", required=True, help="The reason, shown to people who lose the version.")
@JSON
def block(tree: str, reason: str, as_json: bool) -> None:
    """Stop the content TREE (a hash, see `versions`) in every feed at once."""
    from agnes_cli.server import connect, route

    with connect() as server:
        answer = server.post(route("api", "admin", "blocked-trees", tree), {"reason": reason})
    if as_json:
        shown.as_json(answer)
    else:
        click.echo(f"{tree[:12]} is blocked; it was in {shown.plain(answer['plugins']) or 'no plugin'}.")


@click.command()
@click.argument("tree")
def unblock(tree: str) -> None:
    """Let the content TREE be served again."""
    from agnes_cli.server import connect, route

    with connect() as server:
        server.delete(route("api", "admin", "blocked-trees", tree))
    click.echo(f"{tree[:12]} is not blocked any more.")


@click.command()
@JSON
def blocked(as_json: bool) -> None:
    """List the content that no feed serves."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(BLOCKED)
    shown.as_json(found) if as_json else shown.table(BLOCKED_COLUMNS, found, none="Nothing is blocked.")


ALL = (versions, review, approve, reject, rollback, rollout, disable, block, unblock, blocked)


def _route(plugin: str, *rest: str) -> str:
    from agnes_cli.catalog_ids import split
    from agnes_cli.server import route

    slug, name = split(plugin)
    return route("api", "marketplaces", slug, "plugins", name, *rest)


def _decide(plugin: str, version: str, decision: dict[str, Any], *, as_json: bool) -> None:
    from agnes_cli.server import connect

    with connect() as server:
        found = server.post(_route(plugin, "versions", version, "decision"), decision)
    _show(found, as_json)


def _show(found: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        shown.as_json(found)
    else:
        rows = [line | {"why": line["blocked"] or line["reason"]} for line in found]
        shown.table(COLUMNS, rows, none="No version was read yet; sync its marketplace.")


def _either(version: str | None, *, off: bool) -> None:
    if bool(version) == off:
        raise BadInput("say which version, or --off", hint="`agnes admin marketplace versions SLUG/NAME` lists them.")
