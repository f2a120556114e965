"""What is attacked: a running gateway with several people, each with things of their own, and its route table.

`AttackedInstallation.values` says what stands for each path parameter of a route, as the thing of a person or as one that is nobody's. A route
with a parameter that has no value here fails, so a new one is not left out.
"""

from __future__ import annotations

import contextlib
import json
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from agnes.edge import Needs
from infra import discovery
from infra.discovery import Route
from tests.builders.demo_marketplace import DemoMarketplace, synced_demo
from tests.builders.embedded import EmbeddedServer, embedded_server
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import PASSWORD, Target, Visitor
from tests.builders.transcripts import Transcript

ADMIN = "ada@northwind.example"
OPERATOR_TOKEN = "operator-of-the-attack-0123456789abcdef"
SETTINGS = {
    "SEED_ADMIN_EMAIL": ADMIN,
    "SEED_ADMIN_PASSWORD": PASSWORD,
    "SCHEDULER_API_TOKEN": OPERATOR_TOKEN,
    "AGNES_GIT_ALLOW": "file",
    "AGNES_WORKERS": "2",
    "SCHEDULER_STARTUP_GRACE_SECONDS": "3600",
}
MARK = "mark-0b1f5e7c9d"
"""In everything of Mira's that nobody else may read."""
ROOT = Path(__file__).parents[2]
MAX_ANSWER_BYTES = 4_000_000
INSIDE = ("Traceback (most recent call last)", str(ROOT), "site-packages", "/functions/", "duckdb.duckdb", "root:x:0")
"""What no answer shows."""

REFUSALS = (
    "only members of admin may do this",
    "opens job routes only",
    "a personal access token may not do this",
    "the scope of this token does not allow this",
)
"""What is said to a caller who is known and may not."""
GIT = "/marketplace.git/"
"""Below it errors are text, which git shows."""


@cache
def routes() -> tuple[Route, ...]:
    """Every route of every function."""
    return tuple(route for function in discovery.functions() for route in function.routes)


@dataclass(frozen=True)
class Caller:
    name: str
    token: str | None
    kind: str
    """nobody, invalid, analyst, analyst_token, admin, admin_token, operator, or an admin's token of a scope: `scope read`"""


@dataclass
class Things:
    """What stands for path parameters: of one person, or of nobody."""

    values: dict[str, str]


@dataclass
class AttackedInstallation:
    target: Target
    server: EmbeddedServer
    folder: Path
    demo: DemoMarketplace
    mira: Visitor
    """Has everything, with MARK in it."""
    ben: Visitor
    """Has nothing but an account."""
    callers: dict[str, Caller]
    things: dict[str, Things]
    """By mira, ben, absent."""
    secrets: frozenset[str]
    http: httpx.Client
    upload_id: str
    calls: int = 0
    admin_session: str = field(default="", repr=False)

    def path(self, route: Route, whose: str) -> str:
        """The route's path about somebody's thing. Raises KeyError for a parameter that has no value."""
        values = dict(self.things[whose].values)
        first = route.path.split("/")
        # `{id}` is what its collection holds.
        if "{id}" in route.path:
            values["id"] = values[f"id of {first[first.index('{id}') - 1]}"]
        path = route.path
        for name in _parameters(route.path):
            path = path.replace(f"{{{name}}}", values[name])
        return path

    def call(self, route: Route, caller: Caller, path: str, **given: Any) -> httpx.Response:
        headers = dict(given.pop("headers", {}))
        if caller.token:
            headers.setdefault("Authorization", f"Bearer {caller.token}")
        return self.send(route.method, path, headers=headers, **given)

    def send(self, method: str, path: str, **given: Any) -> httpx.Response:
        """Send it, and judge what every answer must be. Raises AssertionError."""
        self.calls += 1
        answer = self.http.request(method, path, **given)
        judge(answer, self.secrets)
        return answer

    def unexpected(self) -> list[str]:
        """Errors that the server logged as its own."""
        lines = self.server.log.read_text(errors="replace").splitlines()
        return [line for line in lines if '"unexpected ' in line or "Traceback" in line]


def judge(answer: httpx.Response, hidden: frozenset[str]) -> None:
    """What holds for each answer whatever was asked. Raises AssertionError."""
    asked = f"{answer.request.method} {answer.request.url}"
    body = answer.content
    assert answer.status_code != 500, f"{asked}: {body[:500]!r}"
    assert len(body) <= MAX_ANSWER_BYTES, f"{asked}: {len(body)} bytes"
    shown = body.decode("utf-8", "replace") + "\n".join(f"{k}: {v}" for k, v in answer.headers.items())
    for secret in hidden:
        assert secret not in shown, f"{asked} shows a secret"
    for inside in INSIDE:
        assert inside not in shown, f"{asked} shows {inside!r}: {body[:500]!r}"
    is_of_scim = answer.headers.get("content-type") == "application/scim+json"
    # A path or a verb that no route has is answered by the gateway, in its own form.
    if answer.status_code >= 400 and "/scim/v2/" in asked and (is_of_scim or answer.status_code not in (404, 405)):
        assert is_of_scim, asked
        assert answer.json()["status"] == str(answer.status_code), asked
    elif answer.status_code >= 400 and not answer.headers["content-type"].startswith("text/html") and GIT not in asked:
        assert answer.headers["content-type"] == "application/json", f"{asked}: {answer.headers['content-type']}"
        error = answer.json()
        assert {"code", "message", "hint", "request_id"} <= error.keys(), f"{asked}: {error}"
        assert error["code"] != "internal_error", f"{asked}: {error}"
    assert answer.headers.get("x-content-type-options") == "nosniff", asked


def is_refused(route: Route, answer: httpx.Response) -> int | None:
    """401 or 403 if the caller as such was refused; not if the thing is one that this caller has no grant for."""
    to_login = answer.status_code == 302 and "/login?" in answer.headers.get("location", "")
    # A public route says there why a single sign-on did not work: nobody is refused.
    if route.contract.kind == "page" and to_login and route.contract.needs is not Needs.PUBLIC:
        return 401
    if answer.status_code == 403 and not any(refusal in answer.text.lower() for refusal in REFUSALS):
        return None
    return answer.status_code if answer.status_code in (401, 403) else None


FEED = {
    "/marketplace.zip", "/marketplace/info", "/marketplace.git/info/refs", "/marketplace.git/git-upload-pack",
    "/marketplace.git/git-receive-pack",
}  # fmt: skip
PUSH = {
    "/api/upload/sessions", "/api/upload/sessions/presign", "/api/upload/sessions/complete", "/api/knowledge/notes",
    "/api/knowledge/loads",
}  # fmt: skip
READ = {"/api/query", "/api/query/{query_id}", "/api/v2/scan", "/api/v2/scan/estimate"}
"""All that a token of these scopes opens, written down here a second time."""


def scope_verdict(route: Route, scope: str) -> int | None:
    """Whether a route refuses an admin's token of a scope that is not full."""
    needs = route.contract.needs
    if needs is Needs.PUBLIC:
        return None
    is_open = {
        "read": needs not in (Needs.PERSON, Needs.DIRECTORY) and (route.method == "GET" or route.path in FEED | READ),
        "feed": route.path in FEED,
        "push": route.path in PUSH,
        "bootstrap-analyst": needs in (Needs.LOGIN, Needs.BASIC),
        "scim": needs is Needs.DIRECTORY,
    }[scope]
    return None if is_open else 403


def expected_of(route: Route, kind: str) -> int | None:
    """What a route says to a caller of this kind: 401, 403, or None for no refusal."""
    if kind.startswith("scope "):
        return scope_verdict(route, kind.removeprefix("scope "))
    return verdict(route.contract.needs, kind)


def verdict(needs: Needs, kind: str) -> int | None:
    """Whether a route that needs this refuses a caller of this kind. Raises KeyError for an unknown need."""
    signed_in = {"nobody": 401, "invalid": 401, "operator": 403}
    analyst = {"analyst": 403, "analyst_token": 403}
    return {
        Needs.PUBLIC: {},
        Needs.LOGIN: signed_in,
        Needs.BASIC: signed_in,
        Needs.PERSON: {**signed_in, "analyst_token": 403, "admin_token": 403},
        Needs.ADMIN: {**signed_in, **analyst},
        Needs.DIRECTORY: {**signed_in, **analyst, "admin": 403, "admin_token": 403},
        Needs.OPERATOR: {**signed_in, **analyst, "operator": None},
    }[needs].get(kind)


def _parameters(path: str) -> list[str]:
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


@contextlib.contextmanager
def installation(folder: Path) -> Iterator[AttackedInstallation]:
    with (
        embedded_server(folder, SETTINGS) as server,
        Target(server.base_url, ADMIN, OPERATOR_TOKEN, server.run_job) as target,
        httpx.Client(
            base_url=server.base_url,
            transport=httpx.HTTPTransport(trust_env=False),
            timeout=PATIENCE_SECONDS,
            trust_env=False,
        ) as http,
    ):
        yield _built(target, server, folder, http)


def session_of(who: Visitor, text: str) -> str:
    """Upload a session whose prompt is `text`; its id."""
    session_id = str(uuid4())
    at = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)
    made = Transcript(session=session_id, at=at, rng=random.Random(session_id))
    made.prompt(text)
    made.result(made.use("Bash", command=f"echo {text}"), text)
    who.call("POST", "/api/upload/sessions", files={"file": (f"{session_id}.jsonl", made.body())})
    return session_id


def _built(target: Target, server: EmbeddedServer, folder: Path, http: httpx.Client) -> AttackedInstallation:
    demo = synced_demo(target, folder)
    admin = target.admin()
    mira, ben = demo.person("mira"), demo.person("ben")
    team = demo.group(mira)
    grant = demo.grant(team, "finops")
    demo.install(mira, "finops")
    token = mira.make_token(f"token {MARK}")
    session = session_of(mira, f"What is {MARK}?")
    bens = session_of(ben, "Nothing of note")
    target.process_usage()
    piece = "1"
    presigned = mira.post(
        "/api/upload/sessions/presign", json={"session_id": str(uuid4()), "size_bytes": 10, "sha256": "0" * 64}
    ).json()
    admin.post(
        "/api/admin/telemetry/locations",
        json={
            "id": "drop",
            "kind": "s3",
            "bucket": "northwind-drop",
            "region": "eu-west-1",
            "pattern": "{email}/{session}.jsonl",
            "matching": "email",
        },
        expect=(200, 201, 400, 422),
    )
    left = demo.person("rhea")
    revoked = left.make_token()["token"]
    gone = target.visitor(left.token)
    admin.post(f"/api/users/{left.id}/deactivate", expect=(200, 204))
    expired = mira.make_token("old")
    mira.delete(f"/auth/tokens/{expired['id']}", expect=(200, 204))
    bens_token, admins_token = ben.make_token(), admin.make_token()
    callers = [
        Caller("nobody", None, "nobody"),
        Caller("a made-up token", "agnes_pat_" + "A" * 43, "invalid"),
        Caller("a token that ended", expired["token"], "invalid"),
        Caller("a token of a deactivated account", revoked, "invalid"),
        Caller("a login of a deactivated account", gone.token, "invalid"),
        Caller("an analyst", ben.token, "analyst"),
        Caller("another analyst", mira.token, "analyst"),
        Caller("an analyst's token", bens_token["token"], "analyst_token"),
        Caller("an admin", admin.token, "admin"),
        Caller("an admin's token", admins_token["token"], "admin_token"),
        Caller("the operator", OPERATOR_TOKEN, "operator"),
    ]
    for scope in ("read", "feed", "push", "bootstrap-analyst", "scim"):
        made = admin.post("/auth/tokens", json={"name": scope, "scope": scope}, expect=201).json()
        callers.append(Caller(f"an admin's token to {scope}", made["token"], f"scope {scope}"))
    export = admin.post("/api/admin/usage/exports", json={"format": "csv"}, expect=202).json()
    version = admin.get(f"/api/marketplaces/{demo.slug}/plugins/finops/versions").json()
    versions = version["versions"] if isinstance(version, dict) else version
    common = {
        "kind": "css",
        "thing": "none",
        "provider": "oidc",
        "path": "README.md",
        "key": "cover.png",
        "name": "forecast",
        "job": "usage-prune",
        "piece_id": piece,
        "part": "1",
        "n": "1",
        "act": "withdraw",
        "decision": "approve",
    }
    of_mira = {
        **common,
        "user_id": mira.id,
        "session_id": session,
        "token_id": token["id"],
        "group_id": team,
        "grant_id": grant,
        "slug": demo.slug,
        "plugin": "finops",
        "entity_id": "e" * 26,
        "submission_id": "b" * 26,
        "item_id": "k" * 26,
        "item_a": "k" * 26,
        "item_b": "l" * 26,
        "table_id": "orders",
        "query_id": "query-of-nobody",
        "sha256": "0" * 64,
        "source_id": "warehouse",
        "tree_id": versions[0].get("tree_id", "0" * 64),
        "version": versions[0].get("version", "1"),
        "id of marketplaces": demo.slug,
        "id of grants": grant,
        "id of locations": "drop",
        "id of exports": export["id"],
    }
    of_ben = {**of_mira, "user_id": ben.id, "session_id": bens, "token_id": bens_token["id"], "plugin": "chartkit"}
    absent = {
        **common,
        "user_id": "01J00000000000000000000000",
        "session_id": str(uuid4()),
        "token_id": "none",
        "group_id": "none",
        "grant_id": "none",
        "slug": "nowhere",
        "plugin": "nothing",
        "entity_id": "none",
        "submission_id": "none",
        "item_id": "none",
        "item_a": "none",
        "item_b": "nobody",
        "table_id": "none",
        "query_id": "query-of-nobody",
        "sha256": "0" * 64,
        "source_id": "none",
        "tree_id": "0" * 64,
        "version": "none",
        "name": "nothing",
        "job": "no-such-job",
        "path": "NOTHING.md",
        "key": "nothing.png",
        "kind": "none",
        "piece_id": "999",
        "id of marketplaces": "nowhere",
        "id of grants": "none",
        "id of locations": "none",
        "id of exports": "01J00000000000000000000000",
    }
    signing = json.loads((folder / "data" / "secrets.json").read_text())
    hidden = {value if isinstance(value, str) else json.dumps(value) for value in signing.values()} | {
        OPERATOR_TOKEN,
        PASSWORD,
        token["token"],
        admins_token["token"],
        admin.token,
        str(folder / "data"),
    }
    return AttackedInstallation(
        target,
        server,
        folder,
        demo,
        mira,
        ben,
        {caller.name: caller for caller in callers},
        {"mira": Things(of_mira), "ben": Things(of_ben), "absent": Things(absent)},
        frozenset(hidden),
        http,
        presigned["upload_id"],
        admin_session=admin.token or "",
    )


def new_word() -> str:
    return secrets.token_hex(4)
