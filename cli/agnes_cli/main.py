"""The entry point: commands are the modules of `agnes_cli.commands`, imported when they are needed."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import click

from agnes_cli.failures import Failure


class Commands(click.Group):
    """A group whose commands are the modules of a package; a package among them is a group of its own."""

    def __init__(self, *args: Any, package: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._folder = Path(__file__).parent.joinpath(*package.split(".")[1:])

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        modules = [file.stem for file in self._folder.glob("[a-z]*.py")]
        packages = [init.parent.name for init in self._folder.glob("[a-z]*/__init__.py")]
        return sorted(name.replace("_", "-") for name in modules + packages)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        return found


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from importlib.metadata import version

        click.echo(f"agnes {version('agnes')}")
        ctx.exit()


@click.group(cls=Commands, package="agnes_cli.commands", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
def agnes() -> None:
    """Your organisation's home for what its analysts and their Claude Code agents share.

    Exit codes: 0 done, 1 something was left undone, 2 wrong usage, 3 not signed in, 4 the server did not answer.
    """


def main() -> None:
    try:
        agnes.main(standalone_mode=True)
    except Failure as failure:
        failure.show()
        sys.exit(failure.exit_code)
    except OSError as exc:  # a full disk, a file that is not ours
        place = f"{exc.filename}: " if exc.filename else ""
        Failure(f"{place}{exc.strerror or type(exc).__name__}").show()
        sys.exit(Failure.exit_code)
