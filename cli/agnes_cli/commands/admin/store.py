from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from agnes_cli import shown
from agnes_cli.options import JSON

SUBMISSIONS = "/api/admin/store/submissions"
COLUMNS = {
    "ID": "id", "NAME": "served_name", "N": "n", "TYPE": "type", "STATUS": "label", "RISK": "risk", "GAINED": "gained",
    "REPORTS": "complaints", "BY": "submitter_email", "CREATED": "created_at",
}  # fmt: skip
_DONE = {
    "approve": "approved",
    "override": "overridden",
    "reject": "rejected",
    "retry": "sent to its review again",
    "rescan": "checked again",
    "quarantine": "quarantined",
    "release": "released",
}


@click.group()
def command() -> None:
    """Review what people share in the Flea market."""


@command.command("list")
@click.option("--status", help="Statuses, with commas: held, pending_llm, blocked_inline, blocked_llm, review_error, …")
@click.option("--submitter", help="An id, or a part of an e-mail address.")
@click.option("--type", "kind", type=click.Choice(["skill", "agent", "plugin"]))
@click.option("--name", help="A part of a name or a description.")
@click.option("--sort", type=click.Choice(["risk", "created_at", "file_size", "status", "name"]), default="risk")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@JSON
def list_(
    *,
    status: str | None,
    submitter: str | None,
    kind: str | None,
    name: str | None,
    sort: str,
    limit: int,
    as_json: bool,
) -> None:
    """List submissions, the riskiest first."""
    from agnes_cli.server import connect

    asked = {"status": status, "submitter": submitter, "type": kind, "name": name, "sort": sort, "limit": limit}
    with connect() as server:
        found = server.get(SUBMISSIONS, **asked)
    if as_json:
        shown.as_json(found)
    else:
        shown.table(COLUMNS, found["items"], none="No submission is like that.")


@command.command()
@click.argument("submission")
@JSON
def show(submission: str, as_json: bool) -> None:
    """Describe SUBMISSION: findings, what it gains and changes, and what may be done."""
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "admin", "store", "submissions", submission))
    if as_json:
        shown.as_json(found)
        return
    about = found["submission"]
    shown.facts(
        {
            "Name": about["served_name"],
            "Version": f"{about['n']} ({about['version']})",
            "Status": found["label"],
            "Because": about["status_reason"] or about["hold_reason"],
            "Risk": about["risk"],
            "By": about["submitter_email"],
            "Appeal": about["appeal"],
            "Review": found["review_summary"],
            "Changed words": found["words_changed"],
            "Problem": found["problem"],
            "May be": found["allowed"],
        }
    )
    for group in found["capabilities"]:
        for line in group["gained"]:
            click.echo(f"gains {group['name']}: {shown.plain(line)}")
    for place in found["places"]:
        one = place["finding"]
        click.echo(f"{one['severity']}  {shown.plain(one['path'])}:{one['line']}  {shown.plain(one['message'])}")
    for patch in found["patches"]:
        click.echo(f"{patch['change']}  {shown.plain(patch['path'])}")


def _decision(name: str, help_: str) -> None:
    @command.command(name, help=help_)
    @click.argument("submission")
    @click.option("--reason", default="", help="What its owner reads.")
    @JSON
    def decide(submission: str, reason: str, as_json: bool) -> None:
        from agnes_cli.server import connect, route

        with connect() as server:
            found = server.post(route("api", "admin", "store", "submissions", submission, name), {"reason": reason})
        if as_json:
            shown.as_json(found)
        else:
            click.echo(f"Version {found['n']} of {found['served_name']} is {_DONE[name]}.")


for _name, _help in (
    ("approve", "Let SUBMISSION go live."),
    ("override", "Let SUBMISSION go live in spite of what was found; needs --reason."),
    ("reject", "Keep SUBMISSION out of the market; needs --reason."),
    ("retry", "Have the model review SUBMISSION again."),
    ("rescan", "Check the files of SUBMISSION by the rules of now."),
    ("quarantine", "Take SUBMISSION, which is live, out of everybody's feed; needs --reason."),
    ("release", "Serve SUBMISSION, which is quarantined, again; needs --reason."),
):
    _decision(_name, _help)


@command.command()
@click.argument("submission")
@click.option("--out", type=click.Path(path_type=Path), help="The file to write; a name of its own if not given.")
@click.option("--force", is_flag=True, help="Replace it.")
def download(submission: str, out: Path | None, force: bool) -> None:
    """Download the files of SUBMISSION as a zip; the audit says that you did."""
    from agnes_cli import saving
    from agnes_cli.server import connect, route

    out = out or Path(f"{submission}.zip")
    saving.require_place(out, replace=force)
    with (
        connect() as server,
        server.download(route("api", "admin", "store", "submissions", submission, "bundle.zip")) as pieces,
    ):
        size = saving.save(pieces, out, replace=force)
    click.echo(f"{out} has {size} bytes.")


@command.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("flea-market.zip"), show_default=True)
@click.option("--owner", help="Only of this user (an id), or `me`.")
@click.option("--force", is_flag=True, help="Replace the file.")
def pull(out: Path, owner: str | None, force: bool) -> None:
    """Download what is shared as a bundle, for another installation."""
    from agnes_cli import saving
    from agnes_cli.server import connect

    saving.require_place(out, replace=force)
    with connect() as server, server.download("/api/store/bundle.zip", owner=owner) as pieces:
        size = saving.save(pieces, out, replace=force)
    click.echo(f"{out} has {size} bytes.")


@command.command()
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mode", type=click.Choice(["merge", "replace", "skip"]), default="merge", show_default=True)
@JSON
def push(bundle: Path, mode: str, as_json: bool) -> None:
    """Import BUNDLE: each entity is offered as its owner's upload, and reviewed like one."""
    from agnes_cli import sharing
    from agnes_cli.server import connect

    total: dict[str, Any] = {"imported": 0, "replaced": 0, "skipped": 0, "errors": []}
    with connect() as server:
        upload = sharing.put(server, bundle.name, bundle.read_bytes(), kind="bundle")
        left = 1
        while left:
            found = server.send_form("POST", "/api/store/import-bundle", {"mode": mode, "upload_id": upload})
            is_stuck = found["left"] and found["left"] == left
            left = 0 if is_stuck else found["left"]
            total = {"imported": total["imported"] + found["imported"], "replaced": total["replaced"] + found["replaced"],
                     "skipped": found["skipped"], "errors": found["errors"], "left": found["left"]}  # fmt: skip
    if as_json:
        shown.as_json(total)
        return
    click.echo(f"{total['imported']} imported, {total['replaced']} replaced, {total['skipped']} skipped.")
    for error in total["errors"]:
        click.echo(f"{shown.plain(error['name'])}: {shown.plain(error['message'])} ({error['code']})", err=True)


@command.command()
@click.argument("submission")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(submission: str, yes: bool) -> None:
    """Remove SUBMISSION, which must not be live, from the queue."""
    from agnes_cli.server import connect, route

    if not yes:
        click.confirm("Remove this submission and its files?", abort=True, err=True)
    with connect() as server:
        server.delete(route("api", "admin", "store", "submissions", submission))
    click.echo("It is removed.")
