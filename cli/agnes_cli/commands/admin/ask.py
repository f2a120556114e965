from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from agnes_cli import shown
from agnes_cli.failures import BadInput, Refused
from agnes_cli.options import JSON

if TYPE_CHECKING:
    from agnes_cli.server import Server

ASK = "/api/admin/usage/ask"
TURNS = 5
"""As many earlier turns as the server takes."""
ENDS, ANEW = frozenset({"exit", "quit"}), frozenset({"new"})


@click.command()
@click.argument("question", required=False)
@JSON
@click.option("--follow-up", is_flag=True, help="Go on from the last question that was asked here.")
def command(question: str | None, as_json: bool, follow_up: bool) -> None:
    """Ask about usage in words: prints the SQL that was written for QUESTION, and its rows.

    Without QUESTION each line that you enter is one, and follows up on those before it; `new` begins again,
    `exit` ends.
    """
    from agnes_cli.server import connect

    with connect() as server:
        turns = _remembered(server) if follow_up else []
        if question is None:
            sys.exit(_converse(server, turns, as_json=as_json))
        if not question.strip():
            raise BadInput("the question is empty")
        try:
            answer = _ask(server, question, turns)
        except Refused as refused:
            _show_sql(refused.facts.get("sql"))
            raise
    _show(answer, as_json=as_json)
    if answer["rejected"]:
        sys.exit(1)


def _converse(server: Server, turns: list[dict[str, str]], *, as_json: bool) -> int:
    """Ask until there are no more lines; the exit code is the last question's."""
    code = 0
    for line in _lines():
        if line in ENDS:
            break
        if line in ANEW:
            turns = []
            continue
        try:
            answer = _ask(server, line, turns)
        except Refused as refused:
            _show_sql(refused.facts.get("sql"))
            refused.show()
            code = refused.exit_code
            continue
        _show(answer, as_json=as_json)
        code = 1 if answer["rejected"] else 0
        turns = _remembered(server)
    return code


def _lines() -> Iterator[str]:
    """What is entered on a terminal, or comes through a pipe; without empty ones."""
    prompt = sys.stdin.isatty()
    while True:
        if prompt:
            click.echo("? ", nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            return
        if line.strip():
            yield line.strip()


def _ask(server: Server, question: str, turns: list[dict[str, str]]) -> dict[str, Any]:
    from agnes_cli import config

    answer: dict[str, Any] = server.post(ASK, {"question": question, "history": turns[-TURNS:]})
    if answer["sql"]:
        turn = {"question": answer["question"], "sql": answer["sql"]}
        config.remember_conversation(server.url, [*turns, turn][-TURNS:])
    return answer


def _remembered(server: Server) -> list[dict[str, str]]:
    from agnes_cli import config

    return config.conversation(server.url)


def _show(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        shown.as_json(answer)
        return
    _show_sql(answer["sql"])
    if answer["rationale"]:
        click.echo(shown.plain(answer["rationale"]), err=True)
    if answer["rejected"]:
        click.echo(f"Not run: {shown.plain(answer['rejected'])}", err=True)
        return
    shown.table({shown.plain(name): name for name in answer["columns"]}, answer["rows"], none="No rows.")
    more = f"; the first {len(answer['rows'])} are here" if answer["truncated"] else ""
    least = " or more" if answer["cut"] else ""
    rows = "row" if answer["row_count"] == 1 and not least else "rows"
    click.echo(f"{answer['row_count']}{least} {rows} in {answer['exec_ms'] / 1000:.1f} s{more}.", err=True)


def _show_sql(sql: Any) -> None:
    """On standard error, so that a pipe gets the table alone."""
    if sql:
        for line in str(sql).splitlines():
            click.echo(f"  {shown.plain(line)}", err=True)
