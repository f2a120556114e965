"""The entry point: commands are the modules of `agnes_cli.commands`, imported when they are needed."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import click

from agnes_cli.failures import Failure

INTERRUPTED, BROKEN_PIPE = 130, 141
"""As shells count a command that Ctrl-C ended, and one whose reader went away."""
NEAR = 0.6


class Commands(click.Group):
    """A group whose commands are the modules of a package; a package among them is a group of its own.

    `aliases` are names of earlier days, each for the words that it stands for now; help does not list them.
    """

    def __init__(
        self, *args: Any, package: str, aliases: Mapping[str, Sequence[str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._package = package
        self._folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
        self._aliases = aliases or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        modules = [file.stem for file in self._folder.glob("[a-z]*.py")]
        packages = [init.parent.name for init in self._folder.glob("[a-z]*/__init__.py")]
        return sorted(name.replace("_", "-") for name in modules + packages)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.commands:  # added by hand: what is not here, which help does not list
            return self.commands[cmd_name]
        if cmd_name not in self.list_commands(ctx):
            return None
        found: click.Command = importlib.import_module(f"{self._package}.{cmd_name.replace('-', '_')}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] in self._aliases:
            args = [*self._aliases[args[0]], *args[1:]]
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(_unknown(args[0], [*self.list_commands(ctx), *self._aliases]))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click, but what a command is for is read from its source: importing all of them takes longer than help may."""
        rows = [(name, self._summary(name)) for name in self.list_commands(ctx)]
        widest = max((len(name) for name, _ in rows), default=0)
        limit = formatter.width - 6 - widest
        with formatter.section("Commands"):
            formatter.write_dl([(name, _shortened(text, limit)) for name, text in rows if text])

    def _summary(self, name: str) -> str:
        path = self._folder / name.replace("-", "_")
        source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        text = source.read_text(encoding="utf-8")
        begin = text.find("def command(")
        quotes = text.find('"""', begin)
        if begin < 0 or quotes < 0:  # another command under a second name
            found = self.get_command(click.get_current_context(), name)
            return found.get_short_help_str(200) if found and not found.hidden else ""
        first = text[quotes + 3 :].partition('"""')[0].partition("\n\n")[0]
        return " ".join(first.split())


def _unknown(given: str, names: Sequence[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(given.casefold(), names, n=3, cutoff=NEAR)
    return f"there is no command {given[:80]!r}." + (f" Did you mean {' or '.join(near)}?" if near else "")


def _shortened(text: str, limit: int) -> str:
    """The first sentence, or as much of it as fits."""
    sentence = text.partition(". ")[0].removesuffix(".")
    return sentence if len(sentence) <= limit else sentence[: max(limit - 1, 1)].rsplit(" ", 1)[0] + "…"


def _version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from agnes_cli import VERSION

        click.echo(f"agnes {VERSION}")
        ctx.exit()


@click.group(
    cls=Commands,
    package="agnes_cli.commands",
    aliases={"update": ["self-upgrade"], "upgrade": ["self-upgrade"], "tables": ["catalog"]},
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  agnes onboard --server https://agnes.example.com   from nothing to ready, in the folder that you work in
  agnes marketplace search forecast                  find plugins
  agnes query "SELECT count(*) FROM orders"          ask the tables that were granted to you

\b
Exit codes: 0 done, 1 something was left undone, 2 wrong usage, 3 not signed in, 4 the server did not answer,
6 there is one already, 130 interrupted. `agnes COMMAND --help` has more.""",
)
@click.option(
    "--version", "-V", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version."
)
def agnes() -> None:
    """Your organisation's home for what its analysts and their Claude Code agents share."""


def main() -> None:
    as_json = _wants_json(sys.argv[1:])
    code: int | str | None
    try:
        try:
            code = _run(as_json=as_json)
        except SystemExit as ended:
            code = ended.code
        if "PacifyFlush" in type(sys.stdout).__name__:  # click has met it, put this there, and says 1
            raise BrokenPipeError
        sys.stdout.flush()
    except BrokenPipeError:  # `agnes … | head`: whoever read has enough
        # What is still to be written must not fail once more when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = BROKEN_PIPE
    sys.exit(code)


def _run(*, as_json: bool) -> int:
    try:
        ended = agnes.main(prog_name="agnes", standalone_mode=False)
        return ended if isinstance(ended, int) else 0
    except Failure as failure:
        failure.show(as_json=as_json)
        return failure.exit_code
    except click.UsageError as error:
        if as_json:
            _usage_failure(error).show(as_json=True)
        else:
            error.show()
        return error.exit_code
    except click.ClickException as error:
        Failure(error.format_message()).show(as_json=as_json)
        return error.exit_code
    except click.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):
            return INTERRUPTED
        click.echo("Nothing was changed.", err=True)
        return Failure.exit_code
    except BrokenPipeError:
        raise
    except OSError as exc:  # a full disk, a file that cannot be written
        place = f"{exc.filename}: " if exc.filename else ""
        Failure(f"{place}{exc.strerror or type(exc).__name__}").show(as_json=as_json)
        return Failure.exit_code


def _usage_failure(error: click.UsageError) -> Failure:
    from agnes_cli.failures import BadInput

    path = error.ctx.command_path if error.ctx else "agnes"
    return BadInput(error.format_message(), hint=f"`{path} --help` shows how it is used.")


def _wants_json(arguments: Sequence[str]) -> bool:
    """Errors are JSON where answers are."""
    given = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    return (
        "--json" in given or "--format=json" in given or any(pair == ("--format", "json") for pair in pairwise(given))
    )
