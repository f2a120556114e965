from __future__ import annotations

import sys
from typing import Any

import click

from agnes_cli import marketplace_versions, secret_input, shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

MARKETPLACES = "/api/marketplaces"
COLUMNS = {
    "SLUG": "id",
    "NAME": "name",
    "PLUGINS": "plugin_count",
    "SYNCED": "last_synced_at",
    "COMMIT": "commit",
    "BRANCH": "branch",
    "URL": "url",
    "ERROR": "last_error",
}
PLUGIN_COLUMNS = {
    "NAME": "name",
    "VERSION": "version",
    "SERVED": "served",
    "SYSTEM": "is_system",
    "DISABLED": "disabled",
    "SOURCE": "source_type",
    "PROBLEM": "problem",
}


@click.group()
def command() -> None:
    """Register git repositories with plugins, sync them, and decide which versions are served."""


for each in marketplace_versions.ALL:
    command.add_command(each)


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the marketplaces."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(MARKETPLACES)
    if as_json:
        shown.as_json(found)
    else:
        rows = [each | {"commit": (each["last_commit_sha"] or "never")[:10]} for each in found]
        shown.table(COLUMNS, rows, none="No marketplace is registered yet.")


@command.command()
@click.argument("slug")
@click.argument("url")
@click.option("--name", help="What people read; the slug if not given.")
@click.option("--branch", help="The repository's own default if not given.")
@click.option("--ref", help="A tag or a full commit id to pin it to, instead of a branch.")
@click.option("--hold", is_flag=True, help="New versions wait for an admin's approval.")
@click.option("--external", is_flag=True, help="Fetch the plugins of other repositories.")
@click.option("--description")
@click.option("--curator-name", required=True)
@click.option("--curator-email", required=True)
@click.option("--token-stdin", is_flag=True, help="Take the token of a private repository from standard input.")
@click.option("--sync", is_flag=True, help="Then fetch its plugins at once.")
@JSON
def add(
    slug: str,
    url: str,
    *,
    hold: bool,
    external: bool,
    token_stdin: bool,
    sync: bool,
    as_json: bool,
    **about: str | None,
) -> None:
    """Register the git repository at URL as the marketplace SLUG."""
    from agnes_cli.server import connect

    wish = {"slug": slug, "url": url, **about, "name": about["name"] or slug, "hold": hold, "allow_external": external}
    if token_stdin:
        wish["token"] = secret_input.from_stdin("token")
    with connect() as server:
        made = server.post(MARKETPLACES, {name: value for name, value in wish.items() if value is not None})
        report = _sync_one(server, made["id"]) if sync else None
    if as_json:
        shown.as_json(made if report is None else report)
    else:
        click.echo(f"{made['id']} is registered.")
        _show_report(report) if report else click.echo(
            f"`agnes admin marketplace sync {made['id']}` fetches its plugins."
        )


@command.command()
@click.argument("slug")
@click.option("--name")
@click.option("--url")
@click.option("--branch", help="An empty one means the repository's own default.")
@click.option("--ref", help="A tag or a full commit id to pin it to; an empty one ends the pin.")
@click.option("--hold/--no-hold", default=None, help="Whether new versions wait for an admin's approval.")
@click.option(
    "--external/--no-external",
    "allow_external",
    default=None,
    help="Whether plugins of other repositories are fetched.",
)
@click.option("--description")
@click.option("--curator-name")
@click.option("--curator-email")
@click.option("--token-stdin", is_flag=True, help="Take a new token from standard input.")
@click.option("--clear-token", is_flag=True, help="Forget the token.")
@JSON
def update(slug: str, token_stdin: bool, clear_token: bool, as_json: bool, **about: str | bool | None) -> None:
    """Change what is given; the next sync goes by it."""
    from agnes_cli.server import connect, route

    wish: dict[str, Any] = {name: value for name, value in about.items() if value is not None}
    if token_stdin and clear_token:
        raise BadInput("--token-stdin and --clear-token exclude each other")
    if token_stdin or clear_token:
        wish["token"] = "" if clear_token else secret_input.from_stdin("token")
    if not wish:
        raise BadInput("nothing was given to change", hint="See `agnes admin marketplace update --help`.")
    with connect() as server:
        changed = server.change(route("api", "marketplaces", slug), wish)
    shown.as_json(changed) if as_json else click.echo(f"{changed['id']} is changed.")


@command.command()
@click.argument("slug")
@click.option("--purge", is_flag=True, help="Remove what was stored of its plugins, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(slug: str, purge: bool, yes: bool) -> None:
    """Remove a marketplace: its plugins leave everybody's stack."""
    from agnes_cli.server import connect, route

    if not yes:
        click.confirm(f"Remove {slug} and its plugins from everybody's stack?", abort=True, err=True)
    with connect() as server:
        server.delete(route("api", "marketplaces", slug), purge="true" if purge else None)
    click.echo(f"{slug} is removed.")


@command.command()
@click.argument("slug", required=False)
@click.option("--all", "everything", is_flag=True, help="Every marketplace.")
@JSON
def sync(slug: str | None, everything: bool, as_json: bool) -> None:
    """Fetch the repository of SLUG and put its plugins in place."""
    from agnes_cli.server import connect

    if bool(slug) == everything:
        raise BadInput("say which marketplace, or --all", hint="`agnes admin marketplace list` shows them.")
    with connect() as server:
        answer = _sync_one(server, slug) if slug else server.post(f"{MARKETPLACES}/sync-all")
    if as_json:
        shown.as_json(answer)
    elif slug:
        _show_report(answer)
    else:
        for report in answer["synced"]:
            _show_report(report)
        for waiting in answer["queued"]:
            click.echo(f"{waiting}: no time was left; it is queued.")
        for failure in answer["errors"]:
            click.echo(f"Error: {shown.plain(failure['id'])}: {shown.plain(failure['error'])}", err=True)
    if not slug and answer["errors"]:
        sys.exit(1)


@command.command()
@click.argument("slug")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 200))
@JSON
def history(slug: str, limit: int, as_json: bool) -> None:
    """Show what each sync of SLUG changed, newest first."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "marketplaces", slug, "syncs"), limit=str(limit))
    if as_json:
        shown.as_json(found)
        return
    for line in found:
        click.echo(f"{line['started_at'][:16]} {line['outcome']} {(line['commit_sha'] or '')[:10]}")
        for text in [change["text"] for change in line["changes"]] + ([line["error"]] if line["error"] else []):
            click.echo(f"  {shown.plain(text)}")
    if not found:
        click.echo("It was never synced.")


@command.command()
@click.argument("slug")
@JSON
def plugins(slug: str, as_json: bool) -> None:
    """List what the catalog of SLUG lists, served or not."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "marketplaces", slug, "plugins"))
    shown.as_json(found) if as_json else shown.table(PLUGIN_COLUMNS, found, none="It has no plugins; sync it.")


@command.command()
@click.argument("plugin")
@click.option("--off", is_flag=True, help="Make it an ordinary plugin again.")
@JSON
def system(plugin: str, off: bool, as_json: bool) -> None:
    """Give PLUGIN, as SLUG/NAME, to everybody: nobody can remove a system plugin."""
    from agnes_cli.catalog_ids import split
    from agnes_cli.server import connect, route

    slug, name = split(plugin)
    path = route("api", "marketplaces", slug, "plugins", name, "system")
    with connect() as server:
        answer = server.delete(path) if off else server.post(path)
    if as_json:
        shown.as_json(answer)
    else:
        click.echo(f"{slug}/{name} is {'a system plugin' if answer['is_system'] else 'an ordinary plugin'}.")


def _sync_one(server: Any, slug: str) -> dict[str, Any]:
    from agnes_cli.server import route

    report: dict[str, Any] = server.post(route("api", "marketplaces", slug, "sync"))
    return report


def _show_report(report: dict[str, Any]) -> None:
    click.echo(f"{report['id']}: {report['plugin_count']} plugins of commit {report['commit'][:10]}.")
    for what in ("added", "updated", "removed"):
        if report[what]:
            click.echo(f"  {what}: {shown.plain(report[what])}")
    for renamed in report.get("renamed", ()):
        click.echo(f"  renamed: {shown.plain(renamed['old'])} to {shown.plain(renamed['new'])}")
    for refused in report["refused"]:
        click.echo(f"  refused: {shown.plain(refused['plugin'])}: {shown.plain(refused['reason'])}")
    for warning in report["warnings"]:
        click.echo(f"  warning: {shown.plain(warning)}")
