"""What every command does alike: words that are mistyped, errors as JSON, colour, pipes, exit codes, and a start that imports little."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import agnes_cli
from agnes_cli import failures, main, shown
from agnes_cli.main import agnes
from agnes_cli.tables import snapshots

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


@pytest.fixture
def run(tmp_path):
    from tests.builders.command_server import command_server

    def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        env = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]} | environment
        return command_server().run(arguments, cwd=tmp_path, env=env, stdin="", timeout=60)

    return call


def leaves(group: click.Group, *words: str):
    """Every command with the words that call it."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if isinstance(found, click.Group):
            yield from leaves(found, *words, name)
        yield (*words, name), found


def groups(group: click.Group = agnes, *words: str):
    yield words, group
    for path, found in leaves(group):
        if isinstance(found, click.Group):
            yield path, found


def test_a_mistyped_word_is_answered_with_what_was_meant(run):
    done = run("qurey", "SELECT 1")
    assert (done.returncode, "Did you mean query?" in done.stderr) == (2, True)
    assert "Did you mean" in run("admin", "usr").stderr
    assert "Did you mean '--json'?" in run("catalog", "--jsn").stderr
    assert "Did you mean" not in run("xyzzy").stderr


def test_names_of_earlier_days_still_work():
    for words, group in groups():
        if isinstance(group, main.Commands):
            for alias, now in group._aliases.items():
                found: click.Command | None = group
                for word in now:
                    assert isinstance(found, click.Group), (words, alias)
                    found = found.get_command(click.Context(found), word)
                    assert found is not None, f"{' '.join(words)} {alias} stands for {now}, which is not there"


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version(run, flag):
    assert run(flag).stdout == f"agnes {agnes_cli.VERSION}\n"


@pytest.mark.parametrize(
    ("arguments", "code", "status"),
    [
        (("whoami", "--json"), "bad_input", 2),
        (("catalog", "--json", "--nothing"), "bad_input", 2),
        (("query", "SELECT 1", "--format", "json", "--sql", "SELECT 2"), "bad_input", 2),
    ],
)
def test_where_answers_are_json_errors_are_too(run, arguments, code, status):
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (status, "")
    error = json.loads(done.stderr)["error"]
    assert (error["code"], error["exit_code"], bool(error["message"])) == (code, status, True)


def test_errors_of_the_server_keep_its_word(run, office):
    not_signed_in = office.laptop.agnes("whoami", "--json")
    assert json.loads(not_signed_in.stderr)["error"]["code"] == "not_signed_in"
    office.sign_in()
    refused = office.laptop.agnes("admin", "user", "list", "--json")
    assert json.loads(refused.stderr)["error"]["code"] not in ("", "failed")
    away = office.laptop.agnes("whoami", "--json", AGNES_SERVER="http://127.0.0.1:9")
    assert (away.returncode, json.loads(away.stderr)["error"]["code"]) == (4, "server_unreachable")


def test_the_environment_beats_the_stored_token(office):
    office.sign_in()
    assert office.laptop.agnes("whoami").returncode == 0
    assert office.laptop.agnes("whoami", AGNES_TOKEN="agnes_pat_wrong").returncode == 3


def test_colour_is_for_terminals_unless_it_is_said(run):
    red = "\x1b[31m"
    assert red not in run("whoami").stderr
    assert red in run("whoami", FORCE_COLOR="1").stderr
    assert red not in run("whoami", FORCE_COLOR="1", NO_COLOR="1").stderr


def test_a_reader_that_went_away_is_no_error(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "agnes_cli", "--help"], stdout=writer, stderr=subprocess.PIPE, check=False, cwd=tmp_path
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (main.BROKEN_PIPE, b"")


STARTED = """
import sys
sys.argv = ["agnes", "--help"]
from agnes_cli.start import main
try:
    main()
except SystemExit:
    pass
print(sorted(name for name in sys.modules if name.startswith(("agnes_cli", "httpx", "ssl", "zstandard", "importlib.metadata"))), file=sys.stderr)
"""


def test_help_imports_no_command(tmp_path):
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True, check=True, cwd=tmp_path)
    found = eval(done.stderr)
    assert set(found) <= {"agnes_cli", "agnes_cli.start", "agnes_cli.main", "agnes_cli.failures", "agnes_cli.colour"}


def test_help_says_what_each_command_is_for():
    for words, group in groups():
        if isinstance(group, main.Commands):
            with click.Context(group, info_name=" ".join(words)) as context:
                for name in group.list_commands(context):
                    found = group.get_command(context, name)
                    said = " ".join((found.help or "").split())
                    assert said, (words, name)
                    assert said.startswith(group._summary(name)[:60]), (words, name)


def test_a_table_fits_its_terminal():
    columns = {"ID": "id", "TEXT": "text", "MORE": "more"}
    rows = [{"id": "a", "text": "x" * 50, "more": "y" * 90}]
    for width in (40, 60, 200):
        lines = shown.lines(columns, rows, width=width)
        assert max(map(len, lines)) <= width
    assert "y" * 90 in shown.lines(columns, rows, width=None)[1], "a pipe gets all of it"


def test_exit_codes_are_as_documented():
    page = (ROOT / "docs" / "commands.md").read_text()
    documented = {int(code): text for code, text in re.findall(r"^\| (\d+) \| (.+?) \|$", page, re.MULTILINE)}
    classes = [
        failures.Failure, failures.BadInput, failures.NotSignedIn, failures.ServerUnreachable, snapshots.SnapshotExists,
    ]  # fmt: skip
    assert set(documented) == {0, main.INTERRUPTED, main.BROKEN_PIPE, *(each.exit_code for each in classes)}
    short = click.Context(agnes).get_help()
    for code in documented:
        assert code == main.BROKEN_PIPE or re.search(rf"\b{code} ", short), code


def test_what_is_not_here_says_what_to_use(run):
    for words in (
        ("server", "logs"),
        ("server", "restart", "--now"),
        ("setup", "bootstrap", "x@example.com"),
        ("onboarded", "on"),
    ):
        done = run(*words)
        assert (done.returncode, "Hint: " in done.stderr) == (2, True), words


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(run, shell):
    done = run("completion", shell)
    assert (done.returncode, "_AGNES_COMPLETE" in done.stdout) == (0, True)
    words = {"COMP_WORDS": "agnes my-", "COMP_CWORD": "my-" if shell == "fish" else "1"}
    assert "my-stack" in run(_AGNES_COMPLETE=f"{shell}_complete", **words).stdout
