from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput
from agnes_cli.options import JSON

if TYPE_CHECKING:
    from agnes_cli.server import Server

GRANTS = "/api/admin/grants"
COLUMNS = {
    "ID": "id",
    "GROUP": "group_name",
    "TYPE": "resource_type",
    "RESOURCE": "resource_id",
    "BY": "assigned_by",
    "SINCE": "assigned_at",
}
TYPE = click.option("--type", "kind", help="The type of resource. Without it, an id with a slash is a plugin's.")


@click.group()
def command() -> None:
    """What groups may see: single plugins (MARKETPLACE/PLUGIN, or as `agnes marketplace search` prints them) and whole
    marketplaces (MARKETPLACE), which stand for every plugin in them, those that come later too."""


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
@click.argument("resources", metavar="RESOURCE...", nargs=-1, required=True)
@TYPE
@click.option("--required", is_flag=True, help="Give it to everybody in the group, who cannot take it off.")
@JSON
def create(group: str, resources: tuple[str, ...], kind: str | None, required: bool, as_json: bool) -> None:
    """Grant each RESOURCE to GROUP: MARKETPLACE/PLUGIN, or MARKETPLACE for all of its plugins, future ones too.

    Several plugins are granted in one request, all or none; those that were granted before are left as they are.
    """
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.group(server, group)
        made = _create(server, found["id"], [_id(each) for each in resources], kind)
        for grant in made["created"] if required else ():
            server.post(route("api", "admin", "grants", grant["id"], "required"), None)
    if as_json:
        shown.as_json(made if len(resources) > 1 else made["created"][0])
        return
    name = shown.plain(found["name"])
    for grant in made["created"]:
        is_whole = grant["resource_type"] == "marketplace"
        what = f"every plugin of {grant['resource_id']}" if is_whole else grant["resource_id"]
        verb = "required of" if required else "granted to"
        click.echo(f"{what} is {verb} {name} ({grant['id']}).")
    for resource in made["already_granted"]:
        click.echo(f"{resource} was granted to {name} already.", err=True)


@command.command()
@click.argument("grant")
@click.argument("resource", required=False)
@TYPE
@click.option("--off", is_flag=True, help="Make it an offer again; those who added it keep it.")
def require(grant: str, resource: str | None, kind: str | None, off: bool) -> None:
    """Require a grant, named by its id or by GROUP and RESOURCE: everybody in the group has it and cannot take it off.

    Of a whole marketplace that means all of its plugins, future ones too.
    """
    from agnes_cli.server import connect, route

    with connect() as server:
        path = route("api", "admin", "grants", _grant_id(server, grant, resource, kind), "required")
        server.delete(path) if off else server.post(path, None)
    click.echo("The grant is an offer again." if off else "The grant is required.")


@command.command()
@click.argument("grant")
@click.argument("resource", required=False)
@TYPE
def delete(grant: str, resource: str | None, kind: str | None) -> None:
    """Take a grant back: by its id, or by GROUP and RESOURCE."""
    from agnes_cli.server import connect, route

    with connect() as server:
        server.delete(route("api", "admin", "grants", _grant_id(server, grant, resource, kind)))
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


def _kind(resource: str, kind: str | None) -> str:
    return kind or ("marketplace_plugin" if "/" in resource else "marketplace")


def _create(server: Server, group_id: str, resources: list[str], kind: str | None) -> dict[str, Any]:
    """One resource by its own route; several must be plugins."""
    if len(resources) == 1:
        body = {"group_id": group_id, "resource_type": _kind(resources[0], kind), "resource_id": resources[0]}
        return {"created": [server.post(GRANTS, body)], "already_granted": []}
    others = [each for each in resources if _kind(each, kind) != "marketplace_plugin"]
    if others:
        raise BadInput(
            f"{', '.join(others)} cannot be granted together with others",
            hint="Several resources at once are plugins, MARKETPLACE/PLUGIN; grant each marketplace by itself.",
        )
    batch: dict[str, Any] = server.post(f"{GRANTS}/batch", {"group_id": group_id, "plugins": resources})
    return batch


def _grant_id(server: Server, grant: str, resource: str | None, kind: str | None) -> str:
    """`grant` itself, or with a resource the grant of the group that `grant` names. Raises BadInput."""
    from agnes_cli import people

    if resource is None:
        return grant
    found, resource = people.group(server, grant), _id(resource)
    for each in server.get(GRANTS, group_id=found["id"], resource_type=_kind(resource, kind)):
        if each["resource_id"] == resource:
            return str(each["id"])
    raise BadInput(f"{resource} is not granted to {shown.plain(found['name'])}", hint="See `agnes admin grant list`.")
