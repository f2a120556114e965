"""`agnes admin …`: one module a noun, with its verbs."""

import click

from agnes_cli import elsewhere
from agnes_cli.main import Commands

ALIASES = {
    "add-user": ("user", "create"),
    "list-users": ("user", "list"),
    "remove-user": ("user", "delete"),
    "activate": ("user", "activate"),
    "deactivate": ("user", "deactivate"),
    "reset-password": ("user", "reset-link"),
    "set-password": ("user", "set-password"),
    "register-table": ("table", "register"),
    "update-table": ("table", "update"),
    "unregister-table": ("table", "unregister"),
    "list-tables": ("table", "list"),
    "metadata-show": ("table", "columns"),
    "metadata-apply": ("table", "columns"),
    "telemetry": ("usage",),
    "memory": ("knowledge",),
}


@click.group(cls=Commands, package="agnes_cli.commands.admin", aliases=ALIASES)
def command() -> None:
    """What members of Admin may do."""


elsewhere.add(
    command,
    {
        "break-glass": "An operator makes an admin with `agnes-local` on the installation's own computer (docs/runbooks).",
        "metrics": "Metrics are not kept apart: describe a table and its columns (`agnes admin table columns`).",
        "news": "There are no news by this command.",
    },
)
