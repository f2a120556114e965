from __future__ import annotations

import click

from agnes_cli import shown, standing
from agnes_cli.options import JSON


@click.command()
@click.argument("plugin", required=False)
@click.option("--all", "every", is_flag=True, help="List what everybody uses, too.")
@JSON
def command(plugin: str | None, every: bool, as_json: bool) -> None:
    """List plugins that people have without using them, and what that cost in 30 days; of PLUGIN, whom to ask."""
    from agnes_cli.failures import BadInput
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/admin/usage/unused")
    if plugin is None:
        if as_json:
            shown.as_json(found)
            return
        plugins = [each for each in found["plugins"] if every or each["idle_people"]]
        rows = [standing.organisation(each) for each in plugins]
        shown.table(standing.ORGANISATION, rows, none="Every plugin in a stack is used.")
        if rows:
            click.echo(standing.total(len(rows), found["idle_cost_usd"], found), err=True)
        return
    of = [each for each in found["plugins"] if plugin in (each["plugin"], standing.plugin_id(each))]
    if len(of) != 1:
        problem = "there are several plugins" if of else "nobody has a plugin"
        raise BadInput(f"{problem} {plugin}", hint="`agnes admin usage unused --all` lists their ids.")
    if as_json:
        shown.as_json(of[0])
        return
    people = [each | {"cost": standing.dollars(each["cost_usd"], 0)} for each in of[0]["ask"]]
    columns = {"PERSON": "email", "NAME": "name", "SESSIONS": "sessions", "COST": "cost"}
    shown.table(columns, people, none=f"Everybody who has {shown.plain(of[0]['title'])} uses it.")
    if of[0]["curator"]:
        click.echo(f"Curator: {shown.plain(of[0]['curator'])}.", err=True)
