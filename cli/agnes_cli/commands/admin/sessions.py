from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from agnes_cli import saving, shown, spending, storing
from agnes_cli.failures import BadInput, Refused
from agnes_cli.options import JSON

SESSIONS = "/api/admin/sessions"
COLUMNS = {
    "BEGAN": "started_at",
    "PERSON": "person",
    "SESSION": "session_id",
    "MODEL": "primary_model",
    "PROMPTS": "user_messages",
    "CALLS": "calls",
    "ERRORS": "tool_errors",
    "TOKENS": "tokens",
    "": "state",
}
SORTS = ["started_at", "ended_at", "username", "model", "tokens", "active_seconds", "user_messages", "tool_errors"]
PIECES_AT_ONCE = 500
_SESSION = re.compile(r"[0-9a-fA-F-]{1,64}")


@click.group()
def command() -> None:
    """Sessions of Claude Code: list them, read one, take transcripts away, remove them. All of it is written down."""


@command.command("list")
@click.option("--since", default="7d", show_default=True, help="30m, 24h, 7d: a year at most.")
@click.option("--user", "username", help="An account's id or e-mail address.")
@click.option("--model", help="The model that answered most.")
@click.option("--errors", "only_errors", is_flag=True, help="Only sessions in which something failed.")
@click.option("--text", "q", help="Part of an address, a name, a session's id or a model.")
@click.option("--sort", type=click.Choice(SORTS), default="ended_at", show_default=True)
@click.option("--ascending", is_flag=True, help="The smallest or earliest first.")
@click.option("--everything", is_flag=True, help="With --user alone: of any time, those that wait for extraction too.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0, 1_000_000), default=0)
@JSON
@click.pass_context
def list_(
    ctx: click.Context,
    /,
    *,
    everything: bool,
    since: str,
    only_errors: bool,
    sort: str,
    ascending: bool,
    as_json: bool,
    **wish: Any,
) -> None:
    """List sessions, newest first."""
    from agnes_cli.server import connect, route

    page = {"limit": wish["limit"], "offset": wish["offset"]}
    if everything:
        kept = ("username", "everything", "limit", "offset", "as_json")
        given = [name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
        if not wish["username"] or not set(given) <= set(kept):
            raise BadInput("--everything goes with --user, --limit and --offset alone")
    with connect() as server:
        if everything:
            found = server.get(route("api", "admin", "users", _user_id(server, wish["username"]), "sessions"), **page)
        else:
            found = server.get(
                f"{SESSIONS}/list",
                since_minutes=spending.minutes(since),
                only_errors="true" if only_errors else None,
                sort=f"{sort}:{'asc' if ascending else 'desc'}",
                **wish,
            )
    if as_json:
        shown.as_json(found)
        return
    shown.table(COLUMNS, [_row(row) for row in found["sessions"]], none="No session fits.")
    if found["next_offset"] is not None:
        click.echo(f"{found['total']} in all; `--offset {found['next_offset']}` goes on.", err=True)


@command.command()
@click.option("--since", default="7d", show_default=True, help="30m, 24h, 7d: a year at most.")
@click.option("--user", "username", help="An account's id or e-mail address.")
@click.option("--model", help="The model that answered most.")
@click.option("--errors", "only_errors", is_flag=True, help="Only sessions in which something failed.")
@click.option("--text", "q", help="Part of an address, a name, a session's id or a model.")
@JSON
def kpis(since: str, *, only_errors: bool, as_json: bool, **wish: Any) -> None:
    """Sum up the sessions that pass the filters."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get(
            f"{SESSIONS}/kpis",
            since_minutes=spending.minutes(since),
            only_errors="true" if only_errors else None,
            **wish,
        )
    if as_json:
        shown.as_json(found)
        return
    shown.facts(
        {
            "Sessions": spending.count(found["sessions"]),
            "People": spending.count(found["users"]),
            "Prompts": spending.count(found["user_messages"]),
            "Responses": spending.count(found["assistant_messages"]),
            "Invocations": spending.count(found["invocations"]),
            "Errors": spending.rated(found["tool_errors"], found["error_rate"], "invocations"),
            "Sessions with errors": spending.rated(
                found["sessions_with_errors"], found["session_error_rate"], "sessions"
            ),
            **spending.tokens(found, found["total_tokens"]),
            "Cost": spending.cost(found),
            "Active time": spending.lasting(found["active_seconds"]),
        }
    )


@command.command()
@click.argument("person", required=False)
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--offset", type=click.IntRange(0, 1_000_000), default=0)
@JSON
def storage(person: str | None, *, limit: int, offset: int, as_json: bool) -> None:
    """Show how much is stored of everybody, or of one PERSON, and how much may be."""
    from agnes_cli.server import connect, route

    with connect() as server:
        if person is not None:
            user_id = _user_id(server, person)
            held = server.get(route("api", "admin", "users", user_id, "storage"))
            found, people = held, [{"user_id": user_id, "user_email": person, "storage": held}]
        else:
            found = server.get(f"{SESSIONS}/storage", limit=limit, offset=offset)
            people = found["people"]
    if as_json:
        shown.as_json(found)
        return
    shown.table(storing.COLUMNS, [storing.row(one) for one in people], none="There is nobody.")
    if person is None and found["next_offset"] is not None:
        click.echo(f"{found['total']} in all; `--offset {found['next_offset']}` goes on.", err=True)


@command.command()
@click.argument("person")
@click.argument("session_id")
@click.option("--limit", type=click.IntRange(1, PIECES_AT_ONCE), default=100, show_default=True)
@click.option("--cursor", help="Go on behind an earlier part.")
@click.option("--all", "to_the_end", is_flag=True, help="To the end, part by part.")
@JSON
def show(person: str, session_id: str, *, limit: int, cursor: str | None, to_the_end: bool, as_json: bool) -> None:
    """Read what was said in a session of a PERSON: an e-mail address or an account's id."""
    from agnes_cli.server import connect, route

    with connect() as server:
        path = route("api", "admin", "sessions", _user_id(server, person), session_id, "transcript")
        at_once = PIECES_AT_ONCE if to_the_end else limit
        found = server.get(path, limit=at_once, cursor=cursor)
        if not as_json and cursor is None:
            _tell(found)
        while True:
            if as_json:
                shown.as_json(found)
            else:
                for event in found["events"]:
                    _say(event)
            cursor = found["next_cursor"]
            if cursor is None or not to_the_end:
                break
            found = server.get(path, limit=at_once, cursor=cursor)
    if cursor is not None and not as_json:
        click.echo(f"There is more: `--cursor {cursor}`, or --all.", err=True)


@command.command()
@click.argument("person")
@click.argument("session_id", required=False)
@click.option("--agent", "agent_id", help="The transcript of this subagent instead of the main one.")
@click.option(
    "--part", type=click.IntRange(1, 100_000), help="Of a stock that comes in several archives: this one alone."
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="A file; - is standard output. The usual name if not given."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
def download(
    person: str, session_id: str | None, *, agent_id: str | None, part: int | None, out: Path | None, force: bool
) -> None:
    """Take a session of a PERSON away as .jsonl; without SESSION_ID all of theirs, as .zip."""
    from agnes_cli.server import connect, route

    if session_id is None and agent_id is not None:
        raise BadInput("--agent goes with a session")
    if session_id is not None and part is not None:
        raise BadInput("--part is of all sessions together, it does not go with one")
    if out == saving.STANDARD_OUTPUT and session_id is None and sys.stdout.isatty():
        raise BadInput("a zip is nothing for a terminal", hint="Give a file with --out.")
    if session_id is not None and not _SESSION.fullmatch(session_id):
        raise BadInput(f"{session_id[:60]!r} is no session's id", hint="`agnes admin sessions list` shows them.")
    with connect() as server:
        user_id = _user_id(server, person)
        if session_id is not None:
            out = out or Path(f"agent-{_of_a_name(agent_id)}.jsonl" if agent_id else f"{session_id}.jsonl")
            path = route("api", "admin", "sessions", user_id, session_id, "download")
            _take(server, path, out, force, agent_id=agent_id)
            return
        path = route("api", "admin", "users", user_id, "sessions", "download-all")
        name = out or Path(f"{_of_a_name(person.partition('@')[0])}-sessions-{datetime.now(UTC):%Y-%m-%d}.zip")
        try:
            _take(server, path, _numbered(name, part), force, part=part)
        except Refused as refused:
            if refused.code != "archive_in_parts" or name == saving.STANDARD_OUTPUT:
                raise
            numbers = range(1, int(refused.facts["parts"]) + 1)
            for number in numbers:
                saving.require_place(_numbered(name, number), replace=force)
            for number in numbers:
                _take(server, path, _numbered(name, number), force, part=number)


@command.command()
@click.argument("person")
@click.argument("session_id", required=False)
@click.option("--all", "of_person", is_flag=True, help="Every session of the person.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
def redact(person: str, session_id: str | None, *, of_person: bool, yes: bool, as_json: bool) -> None:
    """Remove a session of a PERSON for good, from transcripts, events and figures; it is never taken again."""
    from agnes_cli.server import connect, route

    if of_person == (session_id is not None):
        raise BadInput("give a session's id, or --all for every session of the person")
    with connect() as server:
        user_id = _user_id(server, person)
        if not yes:
            what = f"session {session_id}" if session_id else "every session"
            click.confirm(f"Remove {what} of {shown.plain(person)} for good?", abort=True, err=True)
        parts = [user_id] if session_id is None else [user_id, session_id]
        done = server.delete(route("api", "admin", "usage", "sessions", *parts))
    if as_json:
        shown.as_json(done)
        return
    click.echo(f"Removed for good. Sessions: {len(done['sessions'])}; stored objects: {done['objects_removed']}.")
    if done["derived"] == "pending":
        click.echo("Events and figures follow with the next run of the extraction.")


def _take(server: Any, path: str, out: Path, force: bool, **query: Any) -> None:
    if out == saving.STANDARD_OUTPUT:
        with server.download(path, **query) as pieces:
            saving.to_standard_output(pieces)
        return
    saving.require_place(out, replace=force)
    with server.download(path, **query) as pieces:
        size = saving.save(pieces, out, replace=force)
    click.echo(f"{out}: {size:,} bytes.", err=True)


def _numbered(out: Path, part: int | None) -> Path:
    return out if part is None or out == saving.STANDARD_OUTPUT else out.with_name(f"{out.stem}-part{part}{out.suffix}")


def _of_a_name(text: str) -> str:
    """What may stand in a file's name here."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", text)[:64].strip(".") or "user"


def _user_id(server: Any, person: str) -> str:
    """An address is looked up; an id is taken as it is, since that account may be gone. Raises BadInput."""
    from agnes_cli import people

    return people.user(server, person)["id"] if "@" in person else person


def _row(row: dict[str, Any]) -> dict[str, Any]:
    calls = [row[name] for name in ("tool_calls", "subagent_dispatches", "mcp_calls", "slash_commands")]
    tokens = row["total_tokens"]
    return row | {
        "person": row["user_email"] or row["user_id"],
        "started_at": (row["started_at"] or "")[:19].replace("T", " "),
        "calls": sum(calls) if row["processed"] else None,
        "tokens": None if tokens is None else spending.count(tokens),
        "state": "" if row["processed"] else row["quarantine_reason"] or "waits for extraction",
    }


def _cost(row: dict[str, Any]) -> str | None:
    """By the price list; None before the session was extracted."""
    if row["unpriced_tokens"] is None:
        return None
    return spending.cost({"cost_usd": row["list_cost_usd"], "unpriced_tokens": row["unpriced_tokens"]}) or None


def _bill(row: dict[str, Any]) -> str | None:
    """The client's own, and how it compares."""
    if row["client_cost_usd"] is None:
        return None
    models = f" ({', '.join(row['price_mismatches'])})" if row["price_mismatches"] else ""
    return f"${row['client_cost_usd']:,.2f}, {(row['bill_status'] or '').replace('_', ' ')}{models}"


def _tell(found: dict[str, Any]) -> None:
    row = _row(found["summary"])
    files = [
        f"{file['file']} ({spending.count(file['stored_bytes'])} bytes stored"
        + (f", {file['quarantine_reason']})" if file["quarantine_reason"] else ")")
        for file in found["files"]
    ]
    shown.facts(
        {
            "Person": row["person"],
            "Session": row["session_id"],
            "Began": row["started_at"],
            "Model": row["primary_model"],
            "Prompts": row["user_messages"],
            "Calls": row["calls"],
            "Errors": row["tool_errors"],
            "Tokens": row["tokens"],
            "Cost": _cost(row),
            "Claude Code's bill": _bill(row),
            "State": row["state"],
            "Files": files,
        }
    )


def _say(event: dict[str, Any]) -> None:
    at = (event["at"] or "")[:19].replace("T", " ")
    what = [event["role"], event["type"].replace("_", " ")]
    what += [event["tool_name"]] if event["tool_name"] else []
    what += [f"of agent {event['agent_id']}"] if event["agent_id"] else []
    what += ["FAILED"] if event["is_error"] else []
    click.echo(f"\n── {shown.plain(at)} {shown.plain(', '.join(what))}".rstrip())
    for line in _lines(event["text"] or event["title"]):
        click.echo(f"   {line}".rstrip())
    if event["is_truncated"]:
        click.echo(f"   … {event['chars']:,} characters in all; `download` has them.")


def _lines(text: str) -> Iterator[str]:
    """Nothing in them that a terminal would obey."""
    return (shown.plain(line.replace("\t", "    ")) for line in text.split("\n"))
