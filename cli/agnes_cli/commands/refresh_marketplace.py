from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from agnes_cli import config
from agnes_cli.failures import BadInput, Failure, NotSignedIn
from agnes_cli.workspace import RECORD, Workspace

if TYPE_CHECKING:
    from agnes_cli.marketplace_copy import MarketplaceCopy

CHECK_SECONDS = 4
"""A session waits for its SessionStart hooks."""
NAMED = 5


@click.command()
@click.option("--bootstrap", is_flag=True, help="Make the copy if there is none, and tell Claude Code about it.")
@click.option(
    "--check", is_flag=True, help="Only look; for a SessionStart hook, whose JSON is printed if there is news."
)
@click.option(
    "--scope", type=click.Choice(["project", "user"]), default="project", help="Where missing plugins are installed."
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done.")
def command(bootstrap: bool, check: bool, scope: str, as_json: bool) -> None:
    """Bring your stack to Claude Code: install what is missing, update what changed, uninstall what left.

    A copy of your marketplace is kept in ~/.agnes. Plugins of other marketplaces, and those that you switched off,
    are left alone. Exit codes: 0 done or nothing to do, 1 not done (not signed in, no answer), 2 wrong usage.
    """
    if check and bootstrap:
        raise BadInput("--check only looks, so it cannot go with --bootstrap")
    from agnes_cli.marketplace_copy import MarketplaceCopy

    copy = MarketplaceCopy()
    if not bootstrap and not copy.exists():
        if not check:
            click.echo("There is no copy of the marketplace here. `agnes refresh-marketplace --bootstrap` makes one.")
        return
    try:
        if check:
            _check()
        else:
            _refresh(copy, scope=scope, as_json=as_json)
    except Failure as failure:
        # The exit code of this command since ever; a hook's script may rely on it.
        failure.exit_code = 1
        if check and isinstance(failure, NotSignedIn):
            _show_hook(
                f"Agnes: {failure.message}, so your plugins are not kept up to date. {failure.hint or ''}".strip()
            )
        raise


def _refresh(copy: MarketplaceCopy, *, scope: str, as_json: bool) -> None:
    from agnes_cli.claude_code import Claude
    from agnes_cli.refreshing import Refresh
    from agnes_cli.server import connect

    workspace = Workspace()
    token = config.get_credential().token
    with connect() as server:
        claude = Claude.find(workspace.root)
        refresh = Refresh(copy, server, token, claude, say=lambda line: click.echo(line, err=as_json))
        outcome = refresh.run(record=workspace.folder / RECORD, scope=scope)
    for step, failure in outcome.failed:
        click.echo(f"Warning: {step.name}: {failure.message}", err=True)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), indent=2))
        return
    for entry in outcome.hidden:
        click.echo(
            f"{entry.get('marketplace_slug')}/{entry.get('name')} is not served: {entry.get('reason')}", err=True
        )
    for name in outcome.namesakes:
        click.echo(
            f"{name} left your stack and works no more, but stays installed: Claude Code would uninstall the {name} of "
            "another marketplace instead.",
            err=True,
        )
    if not outcome.claude:
        click.echo(f"`claude` is not on your PATH; the marketplace is in {copy.folder}.", err=True)
    elif outcome.kept:
        click.echo(f"Your stack is empty; {', '.join(outcome.kept)} stay installed.", err=True)
    elif outcome.done:
        click.echo("Run /reload-plugins in the sessions that are open.")
    elif not outcome.failed:
        click.echo("Your plugins are up to date.")


def _check() -> None:
    import httpx

    from agnes_cli.reconcile import news
    from agnes_cli.refreshing import applied, served
    from agnes_cli.server import Server

    url, credential = config.get_server(), config.get_credential()
    with Server(url, credential.token, timeout=httpx.Timeout(CHECK_SECONDS)) as server:
        info = server.get("/marketplace/info")
    changes = news(served(info), applied(Workspace().folder / RECORD, url))
    if changes:
        more = f" and {len(changes) - NAMED} more" if len(changes) > NAMED else ""
        _show_hook(f"Agnes: {', '.join(changes[:NAMED])}{more}. Run /update-agnes-plugins to have it.")


def _show_hook(text: str) -> None:
    """What Claude Code shows to the person, and tells the model."""
    said: dict[str, Any] = {
        "systemMessage": text,
        "hookSpecificOutput": {"hookEventName": "SessionStart", "additionalContext": text},
    }
    click.echo(json.dumps(said))
    sys.stdout.flush()
