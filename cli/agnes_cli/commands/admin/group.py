from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.options import JSON

GROUPS = "/api/admin/groups"
COLUMNS = {
    "ID": "id",
    "NAME": "name",
    "ORIGIN": "origin",
    "MEMBERS": "member_count",
    "GRANTS": "grant_count",
    "DESCRIPTION": "description",
}
MEMBER_COLUMNS = {"EMAIL": "email", "NAME": "name", "ACTIVE": "active", "SOURCE": "source", "ADDED": "added_at"}


@click.group()
def command() -> None:
    """Groups of accounts. A group is named by its name or its id."""


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the groups."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(GROUPS)
    shown.as_json(found) if as_json else shown.table(COLUMNS, found, none="There are no groups.")


@command.command()
@click.argument("name")
@click.option("--description", default="")
@JSON
def create(name: str, description: str, as_json: bool) -> None:
    """Create the group NAME."""
    from agnes_cli.server import connect

    with connect() as server:
        made = server.post(GROUPS, {"name": name, "description": description})
    shown.as_json(made) if as_json else click.echo(f"{shown.plain(made['name'])} is created ({made['id']}).")


@command.command()
@click.argument("group")
@click.option("--name")
@click.option("--description")
@JSON
def update(group: str, name: str | None, description: str | None, as_json: bool) -> None:
    """Rename or describe GROUP."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    wish = {key: value for key, value in (("name", name), ("description", description)) if value is not None}
    with connect() as server:
        changed = server.change(route("api", "admin", "groups", people.group(server, group)["id"]), wish)
    shown.as_json(changed) if as_json else click.echo(f"{shown.plain(changed['name'])} is changed.")


@command.command()
@click.argument("group")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(group: str, yes: bool) -> None:
    """Delete GROUP with its memberships and grants."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.group(server, group)
        name = shown.plain(found["name"])
        if not yes:
            losses = f"{found['member_count']} members and {found['grant_count']} grants"
            click.confirm(f"Delete {name} with {losses}?", abort=True, err=True)
        server.delete(route("api", "admin", "groups", found["id"]))
    click.echo(f"{name} is deleted.")


@command.command()
@click.argument("group")
@JSON
def members(group: str, as_json: bool) -> None:
    """List who is in GROUP."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "admin", "groups", people.group(server, group)["id"], "members"))
    shown.as_json(found) if as_json else shown.table(MEMBER_COLUMNS, found, none="Nobody is in it.")


@command.command("add-member")
@click.argument("group")
@click.argument("email")
@JSON
def add_member(group: str, email: str, as_json: bool) -> None:
    """Put the account EMAIL into GROUP."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.group(server, group)
        added = server.post(route("api", "admin", "groups", found["id"], "members"), {"email": email})
    name = shown.plain(found["name"])
    shown.as_json(added) if as_json else click.echo(f"{shown.plain(added['email'])} is in {name}.")


@command.command("remove-member")
@click.argument("group")
@click.argument("email")
def remove_member(group: str, email: str) -> None:
    """Take the account EMAIL out of GROUP."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found, who = people.group(server, group), people.user(server, email)
        server.delete(route("api", "admin", "groups", found["id"], "members", who["id"]))
    click.echo(f"{shown.plain(who['email'])} is not in {shown.plain(found['name'])} any more.")
