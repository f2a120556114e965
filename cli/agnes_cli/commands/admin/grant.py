from __future__ import annotations

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

GRANTS = "/api/admin/grants"
COLUMNS = {
    "ID": "id",
    "GROUP": "group_name",
    "TYPE": "resource_type",
    "RESOURCE": "resource_id",
    "BY": "assigned_by",
    "SINCE": "assigned_at",
}
TYPE = click.option("--type", "kind", default="marketplace_plugin", show_default=True, help="The type of resource.")


@click.group()
def command() -> None:
    """What groups may see. A plugin is named MARKETPLACE/PLUGIN, or as `agnes marketplace search` prints it."""


@command.command("list")
@click.option("--group", help="Only those of this group.")
@click.option("--type", "kind", help="Only this type of resource.")
@JSON
def list_(group: str | None, kind: str | None, as_json: bool) -> None:
    """List the grants."""
    from agnes_cli import people
    from agnes_cli.server import connect

    with connect() as server:
        group_id = people.group(server, group)["id"] if group else None
        found = server.get(GRANTS, group_id=group_id, resource_type=kind)
    shown.as_json(found) if as_json else shown.table(COLUMNS, found, none="Nothing is granted.")


@command.command()
@click.argument("group")
@click.argument("resource")
@TYPE
@JSON
def create(group: str, resource: str, kind: str, as_json: bool) -> None:
    """Grant RESOURCE to GROUP."""
    from agnes_cli import people
    from agnes_cli.server import connect

    with connect() as server:
        wish = {"group_id": people.group(server, group)["id"], "resource_type": kind, "resource_id": _id(resource)}
        made = server.post(GRANTS, wish)
    if as_json:
        shown.as_json(made)
    else:
        click.echo(f"{made['resource_id']} is granted to {shown.plain(made['group_name'])} ({made['id']}).")


@command.command()
@click.argument("grant")
@click.argument("resource", required=False)
@TYPE
def delete(grant: str, resource: str | None, kind: str) -> None:
    """Take a grant back: by its id, or by GROUP and RESOURCE."""
    from agnes_cli.server import connect, route

    with connect() as server:
        grant_id = _find(server, grant, _id(resource), kind) if resource else grant
        server.delete(route("api", "admin", "grants", grant_id))
    click.echo("The grant is taken back.")


@command.command("resource-types")
@JSON
def resource_types(as_json: bool) -> None:
    """List what can be granted."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/admin/resource-types")
    columns = {"TYPE": "key", "ID": "id_format", "NAME": "display_name", "DESCRIPTION": "description"}
    shown.as_json(found) if as_json else shown.table(columns, found, none="Nothing can be granted.")


def _id(resource: str) -> str:
    from agnes_cli.catalog_ids import PREFIX

    return resource.removeprefix(PREFIX)


def _find(server: object, group: str, resource: str, kind: str) -> str:
    from agnes_cli import people

    found = people.group(server, group)
    for grant in server.get(GRANTS, group_id=found["id"], resource_type=kind):
        if grant["resource_id"] == resource:
            return grant["id"]
    raise BadInput(f"{resource} is not granted to {shown.plain(found['name'])}", hint="See `agnes admin grant list`.")
