from __future__ import annotations

import sys
from typing import Any

import click

from agnes_cli import secret_input, shown
from agnes_cli.options import JSON

COLUMNS = {"EMAIL": "email", "NAME": "name", "ROLE": "role", "ACTIVE": "active", "GROUPS": "in_groups", "ID": "id"}
TOKEN_COLUMNS = {"NAME": "name", "SCOPE": "scope", "CREATED": "created_at", "LAST USED": "last_used_at", "ID": "id"}
SERVED_COLUMNS = {"PLUGIN": "resource_id", "SERVED": "result", "WHY": "why"}
ACCESS_COLUMNS = {"TYPE": "resource_type", "RESOURCE": "resource_id", "THROUGH": "through"}


@click.group()
def command() -> None:
    """Accounts. An account is named by its e-mail or its id."""


@command.command("list")
@JSON
def list_(as_json: bool) -> None:
    """List the accounts."""
    from agnes_cli.server import connect

    with connect() as server:
        found = server.get("/api/users")
    if as_json:
        shown.as_json(found)
    else:
        rows = [user | {"in_groups": [group["name"] for group in user["groups"]]} for user in found]
        shown.table(COLUMNS, rows, none="There are no accounts.")


@command.command()
@click.argument("email")
@click.option("--name", default="", help="The part before the @ if not given.")
@click.option("--group", "groups", multiple=True, help="Put it into this group; may be repeated.")
@click.option("--password-stdin", is_flag=True, help="Take a first password from standard input.")
@click.option(
    "--invite", is_flag=True, help="Make a link by which they choose a password, and mail it if mail is set up."
)
@JSON
def create(
    email: str, name: str, groups: tuple[str, ...], *, password_stdin: bool, invite: bool, as_json: bool
) -> None:
    """Create the account EMAIL. Without a password it cannot sign in yet: `--invite` lets its owner choose one."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    if password_stdin and invite:
        raise click.UsageError("--password-stdin and --invite do not go together")
    password = secret_input.from_stdin("password") if password_stdin else None
    with connect() as server:
        group_ids = [people.group(server, group)["id"] for group in groups]  # a wrong name must leave nothing half done
        made = server.post("/api/users", {"email": email, "name": name, "send_invite": invite})
        link, sent = made["invite_url"], made["invite_email_sent"]
        for group_id in group_ids:
            server.post(route("api", "admin", "users", made["id"], "memberships"), {"group_id": group_id})
        if password is not None:
            server.post(route("api", "users", made["id"], "set-password"), {"password": password})
        made = server.get(route("api", "users", made["id"])) | {"invite_url": link, "invite_email_sent": sent}
    if as_json:
        shown.as_json(made)
        return
    click.echo(f"{shown.plain(made['email'])} is created ({made['id']}).")
    if link:
        _tell_link(made["email"], link, sent=sent)


@command.command()
@click.argument("user")
@click.option("--served", is_flag=True, help="List what USER is served, in which version and why, and what is not.")
@JSON
def access(user: str, served: bool, as_json: bool) -> None:
    """List what USER may see, and through which groups."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = server.get(route("api", "admin", "users", people.user(server, user)["id"], "effective-access"))
    if as_json:
        shown.as_json(found)
        return
    for notice in found.get("notices", ()):
        click.echo(shown.plain(notice), err=True)
    if served:
        rows = [line | {"result": _result(line), "why": _why(line)} for line in found.get("entitlements", ())]
        shown.table(SERVED_COLUMNS, rows, none="No marketplace lists a plugin.")
    else:
        rows = [item | {"through": [_through(item, group) for group in item["via_groups"]]} for item in found["items"]]
        shown.table(ACCESS_COLUMNS, rows, none="Nothing is granted to any of their groups.")


@command.command("set-password")
@click.argument("user")
@click.option("--stdin", "from_stdin", is_flag=True, help="Take it from standard input instead of asking.")
@click.option("--revoke-tokens", is_flag=True, help="Also revoke all personal access tokens of USER.")
def set_password(user: str, from_stdin: bool, revoke_tokens: bool) -> None:
    """Set a password; USER is signed out everywhere. Lists the tokens that still open the account."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.user(server, user)
        given = from_stdin or not sys.stdin.isatty()
        password = secret_input.from_stdin("password") if given else secret_input.asked("New password")
        body = {"password": password, "revoke_tokens": revoke_tokens}
        reset = server.post(route("api", "users", found["id"], "set-password"), body)
    click.echo(f"{shown.plain(found['email'])} has a new password.")
    if reset["revoked_tokens"]:
        click.echo(f"Tokens revoked: {reset['revoked_tokens']}.")
    if reset["tokens"]:
        click.echo("These tokens still open the account; --revoke-tokens ends them:")
        shown.table(TOKEN_COLUMNS, reset["tokens"], none="")


@command.command("reset-link")
@click.argument("user")
@JSON
def reset_link(user: str, as_json: bool) -> None:
    """Make a link by which USER chooses a new password, and mail it if mail is set up. It works once, for a day."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.user(server, user)
        made = server.post(route("api", "users", found["id"], "reset-password"))
    if as_json:
        shown.as_json(made)
    else:
        _tell_link(found["email"], made["reset_url"], sent=made["email_sent"])


@command.command()
@click.argument("user")
@JSON
def activate(user: str, as_json: bool) -> None:
    """Let USER in again."""
    _switch(user, "activate", as_json=as_json)


@command.command()
@click.argument("user")
@JSON
def deactivate(user: str, as_json: bool) -> None:
    """Keep USER out from this moment on."""
    _switch(user, "deactivate", as_json=as_json)


@command.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(user: str, yes: bool) -> None:
    """Delete USER for good; `deactivate` can be taken back."""
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        found = people.user(server, user)
        email = shown.plain(found["email"])
        if not yes:
            click.confirm(f"Delete {email} for good?", abort=True, err=True)
        server.delete(route("api", "users", found["id"]))
    click.echo(f"{email} is deleted.")


def _tell_link(email: str, link: str, *, sent: bool) -> None:
    if sent:
        click.echo(f"A mail with a link is on its way to {shown.plain(email)}.")
    else:
        click.echo("No mail was sent. Hand this link over; whoever has it can sign in:")
        click.echo(shown.plain(link))


def _switch(user: str, verb: str, *, as_json: bool) -> None:
    from agnes_cli import people
    from agnes_cli.server import connect, route

    with connect() as server:
        changed = server.post(route("api", "users", people.user(server, user)["id"], verb))
    state = "active" if changed["active"] else "deactivated"
    shown.as_json(changed) if as_json else click.echo(f"{shown.plain(changed['email'])} is {state}.")


def _through(item: dict[str, Any], group: dict[str, Any]) -> str:
    """The group, and the marketplace if that is what it was granted."""
    whole = group["granted"] != item["resource_id"]
    return f"{group['name']} (all of {group['granted']})" if whole else group["name"]


def _result(line: dict[str, Any]) -> str:
    return str(line["version"]) if line["served"] else "no"


def _why(line: dict[str, Any]) -> str:
    """Why it is served, and what decided the version; or why it is not."""
    if line["reason"]:
        message: str = line["reason"]["message"]
        return message
    because = ["system plugin"] if line["system"] else []
    because += [_granted(line, grant) for grant in line["granted_by"]]
    if line["dependency_of"]:
        because.append(f"needed by {', '.join(line['dependency_of'])}")
    if line["added_at"]:
        because.append("added")
    return "; ".join([*because, line["version_reason"] or (line["decided_by"] or "")])


def _granted(line: dict[str, Any], grant: dict[str, Any]) -> str:
    whole = f" (all of {grant['granted']})" if grant["granted"] != line["resource_id"] else ""
    return f"{'required for' if grant['required'] else 'granted to'} {grant['group_name']}{whole}"
