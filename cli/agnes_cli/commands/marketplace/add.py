from __future__ import annotations

import click

from agnes_cli import stack_change


@click.command()
@click.argument("plugins", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print what became of each.")
def command(plugins: tuple[str, ...], as_json: bool) -> None:
    """Put PLUGINS, ids that `search` printed, into your stack; `agnes refresh-marketplace` then installs them."""
    stack_change.run(plugins, wanted=True, as_json=as_json)
