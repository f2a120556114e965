from __future__ import annotations

from pathlib import Path

import click

from agnes_cli import config
from agnes_cli.failures import Failure


@click.command(
    epilog="""\b
Examples:
  agnes onboard --server https://agnes.example.com
  agnes onboard --token-stdin < token     with an access token, where nobody is asked
"""
)
@click.option("--server", metavar="URL", help="The server; AGNES_SERVER or the last one if not given.")
@click.option("--email", metavar="EMAIL", help="Asked for if not given.")
@click.option("--token-stdin", is_flag=True, help="Sign in with an access token from standard input.")
@click.option(
    "--workspace", type=click.Path(path_type=Path, file_okay=False), help="The current directory if not given."
)
@click.pass_context
def command(
    ctx: click.Context, *, server: str | None, email: str | None, token_stdin: bool, workspace: Path | None
) -> None:
    """From nothing to ready: sign in, set up this workspace, bring your plugins and your tables.

    It may be run again: what is done is left as it is. `agnes init --undo` takes it out of the workspace.
    """
    from agnes_cli.commands import init, login, refresh_marketplace
    from agnes_cli.commands.whoami import command as whoami

    url = config.get_server(server)
    known = config.find_credential()
    is_signed_in = known is not None and config.find_server() == url and not token_stdin and _is_known(url, known.token)
    _step("1 of 3: sign in")
    if is_signed_in:
        ctx.invoke(whoami, storage=False, as_json=False)
    else:
        ctx.invoke(login.command, server=server, email=email, token_stdin=token_stdin)
    _step("2 of 3: set up the workspace")
    ctx.invoke(
        init.command, workspace=workspace, server=None, token_stdin=False, force=False, no_pull=False, undo=False
    )
    _step("3 of 3: bring your plugins to Claude Code")
    try:
        ctx.invoke(refresh_marketplace.command, bootstrap=True, check=False, scope="project", as_json=False)
    except Failure as failure:
        failure.show()
        raise Failure(
            "everything but the plugins is ready",
            hint="Run `agnes refresh-marketplace --bootstrap` when that is put right.",
        ) from failure
    click.echo(
        "Ready. Start `claude` in this folder; `agnes diagnose` checks everything, `agnes --help` has all commands."
    )


def _step(text: str) -> None:
    click.echo(f"-- {text}", err=True)


def _is_known(url: str, token: str) -> bool:
    from agnes_cli.failures import NotSignedIn, Refused
    from agnes_cli.server import Server

    try:
        with Server(url, token) as server:
            server.get("/api/me")
    except NotSignedIn:
        return False
    except Refused as refused:
        return refused.code == "token_scope"
    return True
