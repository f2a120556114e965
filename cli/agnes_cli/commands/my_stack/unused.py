from __future__ import annotations

import click

from agnes_cli import shown, standing
from agnes_cli.options import JSON


@click.command()
@click.option("--all", "every", is_flag=True, help="List what is used, too.")
@click.option("--remove", is_flag=True, help="Take everything that is listed as unused out of your stack; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def command(every: bool, remove: bool, yes: bool, as_json: bool) -> None:
    """List the plugins of your stack that you did not use in 30 days, and what they cost by being loaded.

    `agnes marketplace remove ID` takes one out of your stack.
    """
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/me/stats/unused")
    if as_json:
        shown.as_json(found)
    else:
        plugins = found["unused"] + (found["others"] if every else [])
        shown.table(
            standing.MINE, [standing.mine(plugin) for plugin in plugins], none="Everything in your stack was used."
        )
        if plugins:
            click.echo(standing.total(len(found["unused"]), found["unused_cost_usd"], found), err=True)
    removable = [standing.plugin_id(plugin) for plugin in found["unused"] if plugin["remove_path"]]
    if remove and removable:
        if not yes:
            click.confirm(f"Take {len(removable)} plugins out of your stack?", abort=True, err=True)
        from agnes_cli import stack_change

        stack_change.run(tuple(removable), wanted=False, as_json=as_json)
