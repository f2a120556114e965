from __future__ import annotations

import click


@click.command()
@click.argument("entity")
@click.option("--back", is_flag=True, help="Bring it back from the archive.")
@click.option("--withdraw", is_flag=True, help="Only take back the version that waits.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def command(entity: str, back: bool, withdraw: bool, yes: bool) -> None:
    """Take ENTITY (its name or id) off the market: who has it keeps it, nobody new can add it."""
    from agnes_cli import sharing
    from agnes_cli.failures import BadInput
    from agnes_cli.server import connect, route

    with connect() as server:
        one = sharing.find_own(server, entity)
        known = one["entity"]
        if back:
            server.delete(sharing.entity_path(known["id"], "archive"))
            click.echo(f"{known['served_name']} is in the market again.")
            return
        if withdraw:
            if one["waiting"] is None:
                raise BadInput(f"no version of {known['served_name']} waits")
            server.post(route("api", "store", "submissions", one["waiting"]["submission_id"], "withdraw"))
            click.echo(f"Version {one['waiting']['n']} of {known['served_name']} is withdrawn.")
            return
        if not yes:
            click.confirm(f"Take {known['served_name']} off the market?", abort=True, err=True)
        server.delete(sharing.entity_path(known["id"]))
    click.echo(f"{known['served_name']} is off the market.")
