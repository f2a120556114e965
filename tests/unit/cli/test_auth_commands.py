"""`agnes auth`: tokens are made with a password, listed and revoked with what this computer is signed in with."""

from __future__ import annotations

import json
from datetime import timedelta

from tests.builders.people import PASSWORD


def make(office, *arguments: str):
    given = ("--email", "mira@example.com", "--password-stdin")
    return office.laptop.agnes("auth", "token", "create", *arguments, *given, stdin=PASSWORD + "\n")


def test_a_token_is_made_listed_used_and_revoked(office):
    office.sign_in()
    done = make(office, "CI", "--scope", "push", "--days", "30")
    assert done.returncode == 0, done.stderr
    token = done.stdout.strip()
    assert token.startswith("agp_")
    assert "until 2026-12-23" in done.stderr
    listed = json.loads(office.laptop.agnes("auth", "token", "list", "--json").stdout)
    assert [(held["name"], held["scope"], held["status"]) for held in listed] == [
        ("CI", "push", "active"),
        ("laptop", "full", "active"),
    ]
    assert "push" in office.laptop.agnes("auth", "token", "list").stdout
    assert office.laptop.agnes("auth", "token", "revoke", "nothing").returncode == 2
    done = office.laptop.agnes("auth", "token", "revoke", "CI")
    assert (done.returncode, done.stderr) == (0, "CI is revoked. It stops working at once.\n")
    assert office.house.get("/api/me", token=token).json()["code"] == "token_revoked"


def test_a_wrong_password_makes_none(office):
    done = office.laptop.agnes(
        "auth", "token", "create", "CI", "--email", "mira@example.com", "--password-stdin", stdin="no\n"
    )
    assert done.returncode == 3
    assert done.stdout == ""


def test_a_token_of_a_narrow_scope_is_kept_though_it_may_not_say_whose_it_is(office):
    token = make(office, "CI", "--scope", "push").stdout.strip()
    done = office.laptop.agnes("auth", "import-token", stdin=token + "\n")
    assert (done.returncode, "scope push" in done.stderr) == (0, True)
    done = office.laptop.agnes("auth", "whoami")
    assert done.returncode == 1
    assert "token_scope" in done.stderr


def test_a_token_that_ends_soon_is_told_of_on_standard_error(office):
    token = make(office, "short", "--days", "10").stdout.strip()
    office.laptop.agnes("auth", "import-token", stdin=token + "\n")
    office.house.clock.sleep(timedelta(days=1).total_seconds())
    done = office.laptop.agnes("auth", "whoami", "--json")
    assert done.stderr == "Your access token ends on 2026-12-03. `agnes login` makes a new one.\n"
    assert json.loads(done.stdout)["email"] == "mira@example.com"
