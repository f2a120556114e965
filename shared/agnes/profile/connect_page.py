"""Connect Claude Code: what to run, in order, and which steps are done already."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import ClassVar

from agnes.accounts import tokens
from agnes.feed.compose import MARKETPLACE_NAME
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.state import State
from agnes.stack import service as stack
from agnes.telemetry import service as telemetry
from agnes.telemetry.model import FILE as TELEMETRY

FILES = (*stack.FILES, TELEMETRY)
RECENT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Command:
    where: str
    """The system that it is for; empty for all."""
    line: str


@dataclass(frozen=True, slots=True)
class ConnectStep:
    title: str
    text: str
    commands: tuple[Command, ...]
    is_done: bool
    done: str = ""
    """What shows that it is done."""


@dataclass(frozen=True)
class ConnectPage:
    template: ClassVar[str] = "profile/connect.html"
    title: ClassVar[str] = "Connect Claude Code"

    steps: list[ConnectStep]
    in_stack: int
    managed_settings: tuple[str, str]
    """As `managed_settings` says."""
    is_admin: bool
    today: date

    @property
    def is_connected(self) -> bool:
        return all(step.is_done for step in self.steps)


def connect_page(state: State, store: ObjectStore, who: Principal, *, server: str, now: datetime) -> ConnectPage:
    """`server` is this installation's address without a slash at its end."""
    with state.read(*FILES, spare=("marketplace", "flea", "stack", TELEMETRY)) as db:
        used = [token for token in tokens.live(db, store, who.user_id, now) if token.last_used_at is not None]
        mine = stack.my_stack(db, who)
        last, _ = telemetry.last_sessions(db, [who.user_id], since=now - RECENT).get(who.user_id, (None, 0))
    signed_in, counted = bool(used), last is not None
    in_stack = sum(line.enabled and line.served for line in mine.curated) + sum(line.served for line in mine.store)
    last_use = max((token.last_used_at for token in used if token.last_used_at), default=None)
    steps = [
        ConnectStep(
            "Install the agnes command",
            "It needs uv, or Python 3.11 or newer. The script checks what it downloads.",
            (
                Command("macOS, Linux", f"curl -fsSL {server}/cli/install.sh | sh"),
                Command("Windows", f'powershell -c "irm {server}/cli/install.ps1 | iex"'),
            ),
            signed_in or counted,
        ),
        ConnectStep(
            "Sign in",
            "Asks for your e-mail address and password, and keeps an access token on this machine.",
            (Command("", f"agnes login --server {server}"),),
            signed_in or counted,
            f"An access token was used on {last_use:%Y-%m-%d}." if last_use else "",
        ),
        ConnectStep(
            "Set up a workspace",
            "In a folder in which you work with Claude Code: adds the hooks that share a session's usage, a status line"
            " and commands. Its --undo removes them again.",
            (Command("", "agnes init"),),
            counted,
        ),
        ConnectStep(
            "Bring your plugins to Claude Code",
            "Adds your marketplace to Claude Code and installs what is in your stack.",
            (Command("", "agnes refresh-marketplace --bootstrap"),),
            counted,
        ),
        ConnectStep(
            "Work a little",
            "Start Claude Code in the workspace and end the session. It is counted within some minutes.",
            (Command("", "claude"),),
            counted,
            f"Your last session ended on {last:%Y-%m-%d}." if last else "",
        ),
    ]
    return ConnectPage(steps, in_stack, managed_settings(server), who.is_admin, now.date())


def managed_settings(server: str) -> tuple[str, str]:
    """Claude Code's managed settings for laptops that an organisation configures, as JSON: (with the `agnes` command,
    without it). Both allow this marketplace and no other.

    They are two, because Claude Code refuses a marketplace from another source than `extraKnownMarketplaces` says of its
    name: the command adds a folder that it keeps, and without it Claude Code fetches with git.
    """
    remote = {"source": "git", "url": f"{server}/marketplace.git"}
    folder = {"source": "pathPattern", "pathPattern": r"[\\/]\.agnes[\\/]marketplace$"}
    trust = f"Plugins of this marketplace were granted to you by your organisation: {server}"
    return (
        json.dumps({"strictKnownMarketplaces": [folder], "pluginTrustMessage": trust}, indent=2),
        json.dumps(
            {
                "extraKnownMarketplaces": {MARKETPLACE_NAME: {"source": remote, "autoUpdate": True}},
                "strictKnownMarketplaces": [remote],
                "enabledPlugins": {f"name-of-a-plugin@{MARKETPLACE_NAME}": True},
                "pluginTrustMessage": trust,
            },
            indent=2,
        ),
    )
