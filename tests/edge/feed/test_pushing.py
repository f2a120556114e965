"""Pushing is impossible, whoever asks and whichever door."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.builders.acme_team import ENVIRON, Team
from tests.builders.house import House

OPERATOR = "operator-of-the-tests-0123456789abcdef"
DOORS = [
    ("GET", "/marketplace.git/info/refs?service=git-receive-pack"),
    ("POST", "/marketplace.git/git-receive-pack"),
]
PUSH = b"00" * 20 + b" " + b"11" * 20 + b" refs/heads/main\0 report-status\n"
"""A command that would move the branch, then no pack."""


def basic(token: str) -> str:
    return "Basic " + base64.b64encode(f"x:{token}".encode()).decode()


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory):
    folder: Path = tmp_path_factory.mktemp("pushing")
    with House(folder, environ={**ENVIRON, "SCHEDULER_API_TOKEN": OPERATOR}) as house:
        team = Team(house, folder, registered=True)
        team.grant("finops")
        team.install("bob", "finops")
        for name in ("ada", "bob"):
            made = team.post(name, "/auth/tokens", {"name": "laptop"}, 201)
            team.tokens[f"{name}'s token"] = made["token"]
        team.tokens |= {"operator": OPERATOR, "wrong": "agp_0123456789abcdef0123456789abcdef"}
        yield team


def credential(team: Team, who: str | None, scheme: str) -> dict[str, str]:
    if who is None:
        return {}
    token = team.tokens[who]
    return {"Authorization": basic(token) if scheme == "Basic" else f"Bearer {token}"}


CREDENTIALS = [(None, "Bearer")] + [
    (who, scheme)
    for who in ("wrong", "operator", "bob", "bob's token", "ada", "ada's token")
    for scheme in ("Basic", "Bearer")
]


@pytest.mark.parametrize(("method", "path"), DOORS, ids=["refs", "pack"])
@pytest.mark.parametrize(("who", "scheme"), CREDENTIALS, ids=[f"{who} {scheme}" for who, scheme in CREDENTIALS])
def test_nobody_pushes(team, who, scheme, method, path):
    refs = "/marketplace.git/info/refs?service=git-upload-pack"
    before = team.house.get(refs, headers=credential(team, "bob", "Basic")).body
    headers = {**credential(team, who, scheme), "Content-Type": "application/x-git-receive-pack-request"}
    body = f"{len(PUSH) + 4:04x}".encode() + PUSH + b"0000" if method == "POST" else b""
    answer = team.house.call(method, path, headers=headers, body=body)
    assert answer.headers["content-type"].startswith("text/plain")
    if who in (None, "wrong"):
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Basic realm="agnes-marketplace"'
    elif who == "operator":
        assert (answer.status, "operator_token_scope" in answer.text) == (403, True)
    else:
        assert answer.status == 403
        assert answer.text.startswith("marketplace.git cannot be pushed to. Upload to the flea market instead.")
    assert team.house.get(refs, headers=credential(team, "bob", "Basic")).body == before


def test_refs_of_no_or_of_two_services_are_not_given(team):
    """The old protocol without smart refs, and a query that says both."""
    for query in ("", "?service=", "?service=git-upload-pack&service=git-receive-pack", "?service=git-upload-archive"):
        answer = team.house.get(f"/marketplace.git/info/refs{query}", headers=credential(team, "ada", "Basic"))
        assert (answer.status, "push_refused" in answer.text) == (403, True), query
