"""Every function does its work with the keys that its role reaches, and no others.

LocalStack does not enforce policies, so this does: the whole house runs over a store that holds each call
against the IAM statements of the function that makes it, as the composer wrote them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import random
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec
import pytest

from agnes import state as state_files
from agnes.hosting.ledger import SampledLedger
from agnes.kernel.ports import ANYTHING, Entry, Expect, Message, Secret, Version
from agnes.outside import parameter_store
from agnes.outside.object_store.memory import MemoryStore
from agnes.telemetry import keys as telemetry_keys
from agnes.telemetry.extraction.inbox import Batch
from infra import compose
from infra.compose import Composition
from tests.builders import flea
from tests.builders.acme_team import ENVIRON, WORDS, Team
from tests.builders.answering_api import KEY, AnsweringApi, wrote
from tests.builders.archives import SKILL, packed
from tests.builders.drop_places import folder_place
from tests.builders.house import Answer, House, routes
from tests.builders.market import multipart
from tests.builders.openid_provider import CLIENT, ISSUER, FakeProvider
from tests.builders.people import Person
from tests.builders.telemetry_house import complete, declare, put, upload, upload_form
from tests.builders.transcripts import Transcript

ACTING: ContextVar[str] = ContextVar("acting", default="")
"""The function at work; empty while the test itself looks."""

WORDS_ABOUT = "Writes release notes from merged pull requests, for whoever announces a version on Fridays."
SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
LARGE = "77777777-0002-4f00-9a00-00000000bbbb"
ANSWERS = {
    "How many sessions?": wrote("SELECT count(*) AS n FROM usage_session_summary"),
    "How many events?": wrote("SELECT count(*) AS n FROM usage_events"),
}


class Policies:
    """What each function may do: (action → patterns of keys), and the queues it sends to."""

    def __init__(self, composition: Composition) -> None:
        self._allowed: dict[tuple[str, str], list[str]] = {}
        for template in composition.templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == "AWS::Serverless::Function":
                    name = resource["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${Stack}-")
                    for policy in resource["Properties"].get("Policies", []):
                        for statement in policy["Statement"]:
                            self._take(name, statement)
        self.broken: set[str] = set()
        self.seen: set[str] = set()

    def _take(self, name: str, statement: dict[str, Any]) -> None:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        for action in actions:
            if action == "s3:ListBucket":
                patterns = statement["Condition"]["StringLike"]["s3:prefix"]
            else:
                patterns = [
                    re.split(r"\$\{(?:Bucket)\}/|\$\{Stack\}[-/]", resource["Fn::Sub"])[-1]
                    for resource in statement["Resource"]
                ]
            self._allowed.setdefault((name, action), []).extend(patterns)

    def check(self, action: str, name: str) -> None:
        function = ACTING.get()
        if not function:
            return
        self.seen.add(function)
        if not any(fnmatchcase(name, pattern) for pattern in self._allowed.get((function, action), ())):
            # One line a prefix: keys hold ids and hashes.
            self.broken.add(
                f"{function} may not {action} {re.sub(r'[0-9a-f]{12,}|[0-9a-z]{26}|[0-9-]{8,}', '…', name)}"
            )


HEADS: ContextVar[set[str]] = ContextVar("heads", default=set())  # noqa: B039 (what is read outside of requests)
"""State files that the request in progress looked at."""


class GuardedStore(MemoryStore):
    def __init__(self, policies: Policies) -> None:
        super().__init__()
        self._policies = policies

    def read(self, key: str) -> Any:
        self._policies.check("s3:GetObject", key)
        self._policies.check("s3:ListBucket", key)  # or a missing key would be a 403
        if head := re.fullmatch(r"state/([a-z]+)/head\.json", key):
            HEADS.get().add(head[1])
        return super().read(key)

    def write(self, key: str, body: bytes, *, expect: Expect, content_type: str = "") -> Version:
        self._policies.check("s3:PutObject", key)
        return super().write(key, body, expect=expect, content_type=content_type)

    def write_pieces(self, key: str, pieces: Iterable[bytes], *, content_type: str = "") -> int:
        self._policies.check("s3:PutObject", key)
        self._policies.check("s3:AbortMultipartUpload", key)
        return super().write_pieces(key, pieces, content_type=content_type)

    def download(self, key: str, path: Path) -> bool:
        self._policies.check("s3:GetObject", key)
        self._policies.check("s3:ListBucket", key)
        return super().download(key, path)

    def list(self, prefix: str, *, after: str = "") -> Iterator[Entry]:
        self._policies.check("s3:ListBucket", prefix)
        return super().list(prefix, after=after)

    def remove(self, keys: Iterable[str]) -> None:
        keys = list(keys)
        for key in keys:
            self._policies.check("s3:DeleteObject", key)
        super().remove(keys)

    def presign_get(self, key: str, **kwargs: Any) -> str:
        self._policies.check("s3:GetObject", key)
        return super().presign_get(key, **kwargs)

    def presign_put(self, key: str, **kwargs: Any) -> str:
        self._policies.check("s3:PutObject", key)
        return super().presign_put(key, **kwargs)


class GuardedQueue:
    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self.sent: list[Message] = []

    def send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._policies.check("sqs:SendMessage", message.queue)
            self.sent.append(message)


class GuardedJobs:
    def __init__(self, policies: Policies) -> None:
        self._policies = policies

    def start(self, function: str, _event: Any) -> None:
        self._policies.check("lambda:InvokeFunction", function)


class GuardedSecrets:
    """Secrets in memory. AWS puts six random characters behind a secret's name."""

    def __init__(self, policies: Policies) -> None:
        self._policies = policies
        self._kept: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        if name in parameter_store.NAMES:
            self._policies.check("ssm:GetParameter", name)
        if name not in self._kept or name not in parameter_store.NAMES:
            self._policies.check("secretsmanager:GetSecretValue", f"{name}-abc123")
        return self._kept.get(name)

    def put(self, name: str, secret: Any) -> None:
        self._check_change(name, "CreateSecret", "PutSecretValue")
        self._kept[name] = secret

    def add(self, name: str, secret: Any) -> Any:
        self._check_change(name, "CreateSecret")
        return self._kept.setdefault(name, secret)

    def remove(self, name: str) -> None:
        self._policies.check("secretsmanager:DeleteSecret", f"{name}-abc123")
        self._kept.pop(name, None)

    def _check_change(self, name: str, *of_manager: str) -> None:
        if name in parameter_store.NAMES:
            self._policies.check("ssm:GetParameter", name)
            self._policies.check("secretsmanager:GetSecretValue", f"{name}-abc123")
            self._policies.check("ssm:PutParameter", name)
        else:
            for action in of_manager:
                self._policies.check(f"secretsmanager:{action}", f"{name}-abc123")


@contextmanager
def acting(function: str) -> Iterator[None]:
    before = ACTING.set(function)
    try:
        yield
    finally:
        ACTING.reset(before)


WITHOUT_DECLARATION = {
    "/api/health": {*state_files.names()},  # whoever asks brings no credential
    "/admin": {"collector", "knowledge", "tables"},  # asked for their generations alone, after the others
}


class Always(random.Random):
    """Draws what chooses every invocation."""

    def random(self) -> float:
        return 0.0


class GuardedHouse(House):
    def __init__(self, folder: Path, policies: Policies, *, model_url: str) -> None:
        super().__init__(
            folder,
            store=GuardedStore(policies),
            environ=ENVIRON
            | SIGN_ON
            | {"USAGE_TRANSCRIPTS_RETENTION_DAYS": "1", "ANTHROPIC_BASE_URL": model_url}
            | {"KNOWLEDGE_QUIET_SECONDS": "0"},
        )
        self.provider = FakeProvider(now=self.clock.now)
        self.wiring.provider_web = self.provider
        self.queue = self.wiring.queue = GuardedQueue(policies)
        self.wiring.jobs = GuardedJobs(policies)
        # As on Lambda, where each function writes what it counted itself; here of every invocation.
        self.wiring.ledger = SampledLedger(lambda: self.store, self.clock, Always())
        self.wiring.secrets = GuardedSecrets(policies)
        self.wiring.secrets.put("anthropic", Secret(KEY))
        self.wiring.secrets.put("oidc", Secret("shh"))
        self.statuses: dict[str, set[int]] = {}
        self.looked_at: dict[tuple[str, str], set[str]] = {}
        """By method and route, of answers below 400."""

    def call(self, method: str, path: str, **kwargs: Any) -> Answer:
        (app, route), _ = routes().bind("agnes.test").match(path.partition("?")[0], method)
        token = HEADS.set(set())
        with acting(app.app_name):
            answer = super().call(method, path, **kwargs)
        if answer.status < 400:
            self.looked_at.setdefault((method, route), set()).update(HEADS.get())
        HEADS.reset(token)
        self.statuses.setdefault(app.app_name, set()).add(answer.status)
        return answer

    def run(self, function: str, event: dict | None = None) -> Any:
        """A scheduled function or a queue's, as its trigger calls it."""
        domain, folder = function.split("-")
        module = importlib.import_module(f"functions.{domain}.{folder}.app")
        with acting(function):
            answer = module.app.pure_lambda_functions[0].func(event or {}, None)
        self.statuses.setdefault(function, set()).add(200)
        return answer


@pytest.fixture(scope="module")
def policies() -> Policies:
    composed = compose.compose()
    compose.write_openapi(composed)  # what the build leaves for functions to answer
    return Policies(composed)


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory, policies: Policies) -> GuardedHouse:
    """A house in which everything was done once."""
    folder = tmp_path_factory.mktemp("house")
    with AnsweringApi(ANSWERS) as api, GuardedHouse(folder, policies, model_url=api.url) as house:
        house.run("ops-cron_prepare")
        team = Team(house, folder, anew=True)
        with_everything(house, team)
    return house


def with_tables(house: GuardedHouse, team: Team) -> None:
    """A source, a table, its collection, and both removed again."""
    root, ask = "/api/admin/tables", team.call
    house.store.write("tables/incoming/orders.csv", b"id,amount\n1,2\n", expect=ANYTHING)
    source = {"id": "files", "type": "files", "options": {"location": "store:"}, "secret": "s3cret-word"}
    team.post("ada", f"{root}/sources", source, 201)
    assert ask("PATCH", "ada", f"{root}/sources/files", {"secret": "another-word"}).status == 200
    assert ask("GET", "ada", f"{root}/sources").json()[0]["has_secret"]
    table = {"name": "Orders", "source": "files", "source_table": "orders.csv"}
    team.post("ada", f"{root}/registry/precheck", table, 200)
    team.post("ada", f"{root}/registry", table, 201)
    grant = {"group_id": team.group, "resource_type": "table", "resource_id": "orders"}
    team.post("ada", "/api/admin/grants", grant, 201)
    assert house.run("tables-cron_collect")["report"] == {"sent": ["orders"]}
    team.post("ada", f"{root}/collect", {"tables": ["orders"]}, 202)
    record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
    assert house.run("tables-queue_collect", {"Records": [record]}) == {"batchItemFailures": []}
    [shown] = ask("GET", "ada", f"{root}/registry").json()
    assert (shown["collection"]["rows"], shown["collection"]["error"]) == (1, None)
    assert ask("GET", "ada", f"{root}/registry/orders").json() == shown
    assert ask("GET", "ada", f"{root}/registry/orders/runs").json()[0]["status"] == "ok"
    [served] = ask("GET", "ada", "/api/tables/manifest").json()["tables"]
    path = f"/api/tables/orders/objects/{served['objects'][0]['sha256']}"
    assert ask("GET", "ada", path).status == 302
    assert ask("GET", "ada", "/api/tables/catalog").json()[0]["rows"] == 1
    assert ask("GET", "ada", "/api/tables/catalog/orders").status == 200
    with_queries(house, team)
    assert ask("PUT", "ada", f"{root}/registry/orders/columns", {"columns": {"id": "of the shop"}}).status == 200
    assert ask("GET", "ada", f"{root}/registry/orders/columns").json() == {"id": "of the shop"}
    assert ask("PUT", "ada", f"{root}/registry/orders", {"description": "One row an order."}).status == 200
    assert ask("DELETE", "ada", f"{root}/registry/orders").status == 204
    assert ask("DELETE", "ada", f"{root}/sources/files").status == 204
    house.run("tables-cron_sweep")


def with_queries(house: GuardedHouse, team: Team) -> None:
    """Each route of queries, with a result that is too large for an answer, and with tables that other domains keep."""
    ask = team.call
    for sql in ("SELECT count(*) FROM orders", "SELECT count(*) FROM agnes_audit, agnes_sessions, agnes_telemetry"):
        team.post("ada", "/api/query", {"sql": sql}, 200)
    large = {"sql": "SELECT repeat('x', 2000) FROM orders, range(1000)", "format": "csv"}
    team.post("ada", "/api/query", large, 303)
    assert ask("GET", "ada", "/api/query").json()["running"] == []
    assert ask("DELETE", "ada", "/api/query/nothing-runs").status == 404
    assert len(ask("GET", "ada", "/api/v2/catalog").json()["tables"]) == 4
    assert ask("GET", "ada", "/api/v2/schema/orders").status == 200
    assert ask("GET", "ada", "/api/v2/sample/orders").json()["rows"] == [[1, 2]]
    policies, policy = "/api/tables/orders/policies", {"filter": "id = 1", "columns": ["id"]}
    assert team.post("ada", f"{policies}/preview", policy, 200)["rows_after"] == 1
    assert ask("PUT", "ada", f"{policies}/{team.group}", policy).status == 200
    record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
    assert house.run("tables-queue_collect", {"Records": [record]}) == {"batchItemFailures": []}
    assert ask("GET", "ada", policies).json()[0]["state"] == "ready"
    assert ask("DELETE", "ada", f"{policies}/{team.group}").status == 204
    wanted = {"table_id": "orders", "where": "id = 1"}
    assert team.post("ada", "/api/v2/scan", wanted | {"format": "json"}, 200)["rows"] == [[1, 2]]
    assert team.post("ada", "/api/v2/scan/estimate", wanted, 200)["result_rows"] == 1


def with_everything(house: GuardedHouse, team: Team) -> None:
    ask = team.call
    bob = ask("GET", "bob", "/api/me").json()["user_id"]
    # Accounts.
    token = team.post("bob", "/auth/tokens", {"name": "laptop"}, 201)
    house.get("/api/me", token=token["token"])
    ask("GET", "bob", f"/auth/tokens/{token['id']}")
    ask("GET", "bob", "/auth/tokens")
    ask("GET", "ada", "/auth/admin/tokens")
    ask("DELETE", "bob", f"/auth/tokens/{token['id']}")
    other = team.post("bob", "/auth/tokens", {"name": "other"}, 201)
    ask("DELETE", "ada", f"/auth/admin/tokens/{other['id']}")
    house.post("/auth/password/login", json_body={"email": "bob@example.com", "password": "wrong wrong"})
    house.post("/auth/password/login/web", form={"email": "bob@example.com", "password": "wrong wrong"})
    house.post("/auth/password/login/web", form={"email": "bob@example.com", "password": "battery staple"})
    house.get("/login")
    house.get("/setup?secret=x")
    house.post("/setup", form={"secret": "x", "email": "z@example.com", "password": "correct horse"})
    house.post("/auth/bootstrap", json_body={"secret": "x", "email": "z@example.com", "password": "correct horse"})
    eve = ask("GET", "eve", "/api/me").json()["user_id"]
    ask("GET", "ada", "/api/users")
    ask("PATCH", "ada", f"/api/users/{eve}", {"name": "Eva"})
    ask("POST", "ada", f"/api/users/{eve}/deactivate")
    ask("POST", "ada", f"/api/users/{eve}/activate")
    tree = "0" * 64
    price = dict.fromkeys(("input", "output", "cache_read", "cache_write"), "1")
    for path, form in (
        ("/admin/system/prices", {"action": "set", "model": "own-model", "valid_from": "2026-01-01", **price}),
        ("/admin/system/blocked", {"action": "block", "tree_id": tree, "reason": "A key leaked."}),
        ("/admin/system/blocked", {"action": "unblock", "tree_id": tree}),
        ("/admin/system/jobs", {"action": "run", "job": "accounts.prune"}),
        (
            "/admin/system/locations",
            {
                "action": "add",
                "id": "drop",
                "kind": "s3",
                "bucket": "drop",
                "pattern": "{user}/*.jsonl",
                "access_key_id": "a",
                "secret_access_key": "b",
            },
        ),
        ("/admin/system/news", {"action": "publish", "title": "Hello", "body": "**World**"}),
        ("/admin/system/locations", {"action": "remove", "id": "drop"}),
    ):
        assert ask("GET", "ada", path).status == 200
        assert house.post(path, token=team.tokens["ada"], form=form).status == 303, path
    # Configuration: a secret is stored, replaced and removed.
    for key in ("sk-ant-of-the-test", None, KEY):
        team.post("ada", "/api/admin/server-config", {"sections": {"ai": {"api_key": key}}}, 200)
    ask("GET", "ada", "/api/admin/server-config")
    ask("GET", "ada", "/admin/server-config")
    article = team.post("ada", "/api/news", {"title": "Hello"}, 201)
    assert ask("GET", "bob", "/news").status == 200
    assert ask("DELETE", "ada", f"/api/news?id={article['id']}").status == 204
    # Access.
    for path in ("groups", "resource-types", "grants", f"groups/{team.group}/members"):
        ask("GET", "ada", f"/api/admin/{path}")
    ask("PATCH", "ada", f"/api/admin/groups/{team.group}", {"description": "Money"})
    team.post("ada", f"/api/admin/users/{eve}/memberships", {"group_id": team.group}, 201)
    ask("GET", "ada", f"/api/admin/users/{eve}/memberships")
    ask("DELETE", "ada", f"/api/admin/users/{eve}/memberships/{team.group}")
    ask("GET", "bob", "/api/me/effective-access")
    ask("GET", "ada", f"/api/admin/users/{eve}/effective-access")
    with_tables(house, team)
    # Marketplace.
    team.register(token="s3cret-token")
    ask("PATCH", "ada", "/api/marketplaces/acme", {"token": "another-token"})
    team.market.add_page_files("chartkit")
    team.sync()
    ask("POST", "ada", "/api/marketplaces/sync-all")
    house.run("marketplace-cron_sync")
    record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
    assert house.run("marketplace-queue_sync", {"Records": [record]}) == {"batchItemFailures": []}
    plugins = ask("GET", "ada", "/api/marketplaces/acme/plugins").json()
    name = plugins[0]["name"]
    ask("GET", "ada", "/api/marketplaces")
    grant = team.grant(name)
    for method in ("POST", "DELETE"):
        assert ask(method, "ada", f"/api/admin/grants/{grant}/required").status == 200
    team.system(name)
    team.system(name, "DELETE")
    assert ask("GET", "ada", "/api/marketplaces/acme/syncs").json()
    for method in ("POST", "DELETE"):
        assert ask(method, "ada", f"/api/marketplaces/acme/plugins/{name}/disabled").status == 200
    plugin = f"/api/marketplaces/acme/plugins/{name}"
    [version] = [v["id"] for v in ask("GET", "ada", f"{plugin}/versions").json()]
    assert ask("GET", "ada", f"{plugin}/versions/{version}").status == 200
    team.post("ada", f"{plugin}/versions/{version}/decision", {"approved": True}, 200)
    for what, wish in (("rollback", {}), ("rollout", {"group_id": team.group})):
        team.post("ada", f"{plugin}/{what}", {"version": version, **wish}, 200)
        assert ask("DELETE", "ada", f"{plugin}/{what}").status == 200
    for path in page_files(house, name):
        assert ask("GET", "bob", path).status == 200
    signed_on(house)
    provisioned(house, team)
    administered(house, team, name)
    cookie = {"cookie": f"access_token={team.tokens['ada']}", "headers": {"Origin": "http://agnes.test"}}
    market = "/admin/marketplaces/acme"
    for page in (
        "/admin/marketplaces",
        market,
        f"{market}/plugins/{name}",
        f"{market}/plugins/{name}/versions/{version}",
    ):
        assert house.get(page, cookie=cookie["cookie"]).status == 200
    words = {**WORDS, "slug": "second", "url": team.market.url, "token": "s3cret-token"}
    for page, form in (
        ("/admin/marketplaces", words),
        (f"{market}/sync", {}),
        (f"{market}/plugins/{name}", {"action": "follow"}),
        (f"{market}/plugins/{name}/versions/{version}", {"action": "approve"}),
        ("/admin/marketplaces/second", {"action": "delete", "purge": "true"}),
    ):
        assert house.post(page, form=form, **cookie).status == 303, page
    assert ask("GET", "bob", "/marketplace/format-guide").status == 200
    # Stack, browse, feed.
    assert team.install("bob", name).status == 200
    ask("PUT", "bob", f"/api/my-stack/curated/acme/{name}", {"enabled": True})
    for path in (
        *("/", "/marketplace", f"/marketplace/curated/acme/{name}", f"/api/marketplace/curated/acme/{name}"),
        *("/api/marketplace/items", "/api/my-stack", "/static/css/agnes.css", "/marketplace/info", "/marketplace.zip"),
    ):
        assert ask("GET", "bob", path).status in (200, 302), path
    at = f"marketplace/curated/acme/{name}"
    skill = ask("GET", "bob", f"/api/{at}").json()["skills"][0]["name"]
    for path in (
        *("/api/marketplace/categories", "/api/marketplace/items?q=skill", "/marketplace/guide/curated"),
        *(f"/api/{at}/skill/{skill}", f"/{at}/skill/{skill}"),
    ):
        assert ask("GET", "bob", path).status == 200, path
    assert ask("GET", "bob", f"/api/{at}/doc/docs%2Fnothing.md").status == 404
    house.post(
        f"/marketplace/curated/acme/{name}",
        cookie=f"access_token={team.tokens['bob']}",
        form={"enabled": "true"},
        headers={"Origin": "http://agnes.test"},
    )
    entity = flea.plant(house.state, house.store, owner_id=bob, name="kit", kind="plugin", now=house.clock.now())
    assert ask("POST", "bob", f"/api/store/entities/{entity}/install").status == 200
    assert ask("GET", "bob", f"/api/store/entities/{entity}/docs/docs%2Fnothing.md").status == 404
    assert ask("GET", "bob", "/marketplace/guide/flea").status == 200
    for path in (f"/api/marketplace/flea/{entity}/detail", f"/marketplace/flea/{entity}/skill/notes"):
        assert ask("GET", "bob", path).status == 200
    shared(house, team)
    fetch(house, team.tokens["bob"])
    [served, *_] = ask("GET", "bob", "/marketplace/info").json()["plugins"]
    team.post("ada", f"/api/admin/blocked-trees/{served['tree_id']}", {"reason": "a test"}, 200)
    assert ask("GET", "ada", "/api/admin/blocked-trees").json()
    assert ask("DELETE", "ada", f"/api/admin/blocked-trees/{served['tree_id']}").status == 204
    house.run("feed-cron_prune")
    house.run("marketplace-cron_prune")
    house.run("feed-cron_sweep")
    # Telemetry.
    person = Person(bob, "bob@example.com", team.tokens["bob"])
    transcript = Transcript(SESSION)
    transcript.result(transcript.use("Skill", skill=f"{name}:x"), "Launching skill")
    import zstandard

    packed = zstandard.compress(transcript.body())
    wish = declare(house, person, SESSION, packed).json()
    put(house, wish, packed)
    assert complete(house, person, wish["upload_id"]).status == 200
    assert upload_form(house, person, SESSION.replace("aaaa", "bbbb"), b"{}\nnot json\n").status in (200, 201)
    with acting("telemetry-cron_extract_usage"):  # as it does with a backlog
        notes = [entry.key for entry in house.store.list("inbox/")]
        batch = msgspec.json.encode(Batch("0" * 26, notes=notes))
        house.store.write(telemetry_keys.batch("0" * 26), batch, expect=ANYTHING)
    record = {"messageId": "m", "body": json.dumps({"batch": "0" * 26, "then": ["1" * 26]})}
    assert house.run("telemetry-queue_extract", {"Records": [record]}) == {"batchItemFailures": []}
    house.run("telemetry-cron_extract_usage")
    house.post("/api/admin/run-session-processor?processor=usage", token=team.tokens["ada"])
    drilled_down(house, team, person)
    assert house.run("knowledge-cron_detect")["report"]["read"] == 2
    message = {"user_id": person.id, "session_id": SESSION}
    house.state.commit("knowledge", lambda tx: tx.db.execute("UPDATE knowledge.readings SET status = 'waiting'"))
    record = {"messageId": "m", "body": json.dumps(message)}
    assert house.run("knowledge-queue_detect", {"Records": [record]}) == {"batchItemFailures": []}
    known(house, team)
    ask("DELETE", "bob", f"/api/me/sessions/{SESSION}")
    assert declare(house, person, SESSION, packed).status == 410
    assert ask("DELETE", "ada", f"/api/admin/usage/sessions/{bob}/{SESSION}").json()["derived"] == "removed"
    assert ask("DELETE", "ada", f"/api/admin/telemetry/sessions/{bob}").json()["derived"] == "removed"
    assert ask("GET", "ada", "/api/admin/usage/export?since=7d").status == 200
    export = f"/api/admin/usage/exports/{ask('POST', 'ada', '/api/admin/usage/exports', {}).json()['id']}"
    record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
    assert house.run("telemetry-queue_export", {"Records": [record]}) == {"batchItemFailures": []}
    assert ask("GET", "ada", "/api/admin/usage/exports").json()[0]["status"] == "done"
    assert ask("GET", "ada", f"{export}/files/1").status == 302
    assert ask("DELETE", "ada", export).status == 204
    for path in ("summary", "query", "kpis", "facets", "cost", "prices"):
        assert ask("GET", "ada", f"/api/admin/usage/{path}").status == 200, path
    for path in ("/api/admin/usage/unused", "/api/me/stats/unused"):
        assert ask("GET", "ada", path).status == 200, path
    for path in ("/admin/usage", "/me/usage", "/admin/unused", "/me/unused"):
        assert house.get(path, cookie=f"access_token={team.tokens['ada']}").status == 200, path
    price = {"model": "m", "valid_from": "2026-01-01", "input": 1, "output": 1, "cache_read": 1, "cache_write": 1}
    assert ask("PUT", "ada", "/api/admin/usage/prices", price).status == 200
    collected = folder_place(house.wiring.settings.agnes_data_dir.parent / "homes")
    collected.put(f"ada@example.com/{SESSION.replace('aaaa', 'cccc')}.jsonl", b'{"type":"user"}\n')
    collected.put(f"{person.email}/{SESSION}.jsonl", transcript.body())
    wish = collected.wish("homes", "{user}/*.jsonl")
    team.post("ada", "/api/admin/usage/locations/test", wish, 200)
    team.post("ada", "/api/admin/usage/locations", wish, 201)
    team.post("ada", "/api/admin/usage/locations/homes/test", {}, 200)
    fetched = house.run("telemetry-cron_collect")["report"]["locations"]["homes"]
    assert (fetched["fetched"], fetched["refused"]) == (1, {"session_redacted": 1})
    assert ask("POST", "ada", "/api/admin/run-session-collector").json()["ok"]
    secret = {"bucket": "elsewhere", "credential": {"access_key_id": "a", "secret_access_key": "b"}}
    team.post(
        "ada",
        "/api/admin/usage/locations",
        {"id": "s3", "kind": "s3", "pattern": "{user}.jsonl", "matching": "id", **secret},
        201,
    )
    assert ask("PATCH", "ada", "/api/admin/usage/locations/s3", {"credential": {}, "enabled": False}).status == 200
    assert ask("DELETE", "ada", "/api/admin/usage/locations/s3").status == 204
    for question in ANSWERS:
        assert ask("POST", "ada", "/api/admin/usage/ask", {"question": question}).json()["rows"] == [{"n": 0}]
        cookie = f"access_token={team.tokens['ada']}"
        assert house.post("/admin/ask", cookie=cookie, form={"question": question}).status == 200
    house.run("telemetry-cron_prune_usage")
    ask("POST", "ada", "/api/admin/usage/prune")
    ask("POST", "ada", "/api/admin/usage/reprocess")
    ask("POST", "ada", "/api/admin/usage/backfill")
    record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
    assert house.run("telemetry-queue_extract", {"Records": [record]}) == {"batchItemFailures": []}
    house.run("telemetry-cron_sweep")
    # The audit.
    for path in ("", "/facets", "/kpis", "/sync", "/health"):
        assert ask("GET", "ada", f"/api/admin/activity{path}").status == 200, path
    house.clock.sleep(60)
    assert ask("GET", "ada", "/admin/activity").status == 200
    assert ask("GET", "ada", f"/api/admin/users/{bob}/activity").status == 200
    house.clock.sleep(2 * 3600)
    team.tokens |= {"ada": house.login("ada@example.com", "correct horse")}
    assert house.run("audit-cron_archive")["report"]["objects"] > 0
    assert house.run("audit-cron_verify")["ok"]
    assert ask("GET", "ada", "/api/admin/audit/export?format=json&since=2000-01-01&until=2100-01-01").status == 200
    # Operations, and the end of things.
    for path in (
        "/api/health",
        "/api/version",
        "/api/health/detailed",
        "/api/openapi.json",
        "/cli/latest",
        "/cli/install.sh",
    ):
        ask("GET", "ada", path)
    for path in ("/api/admin/cost?days=60", "/admin/cost?days=60"):
        assert ask("GET", "ada", path).status == 200, path
    for job in ask("GET", "ada", "/api/admin/run").json():
        assert ask("POST", "ada", f"/api/admin/run/{job['name']}?dry_run=true").status == 202
        assert ask("GET", "ada", f"/api/admin/run/{job['name']}").status == 200
    for job in ("ops-cron_prune_state", "accounts-cron_prune", "accounts-cron_first_start"):
        house.run(job)
    ask("DELETE", "ada", "/api/marketplaces/acme?purge=true")
    ask("DELETE", "ada", f"/api/users/{eve}")
    house.post("/auth/logout", token=team.tokens["bob"])
    house.run("telemetry-cron_extract_usage")
    house.clock.sleep(3 * 86400)
    assert house.run("telemetry-cron_prune_usage")["report"]["transcripts"]["sessions"] == 1


SCIM_USER = "urn:ietf:params:scim:schemas:core:2.0:User"
SCIM_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
SIGN_ON = {"OIDC_ISSUER": ISSUER, "OIDC_CLIENT_ID": CLIENT}


def drilled_down(house: GuardedHouse, team: Team, bob: Person) -> None:
    """From the list to one transcript, small and large."""
    session = f"/api/admin/sessions/{bob.id}/{SESSION}"
    everything = f"/api/admin/users/{bob.id}/sessions/download-all"
    for path in (
        *("/api/admin/sessions/list", "/api/admin/sessions/kpis", "/api/admin/sessions/facets"),
        *(f"{session}/transcript", f"{session}/transcript/main.0.0", f"{session}/download", everything),
        *(f"/api/admin/users/{bob.id}/sessions", f"/api/admin/users/{bob.id}/activity"),
    ):
        assert team.call("GET", "ada", path).status == 200, path
    for path in (
        *("/api/me/sessions", "/api/me/stats/sessions", "/api/me/stats/tokens", "/api/me/home-stats?window=7d"),
        f"/profile/sessions/{SESSION}",
    ):
        assert team.call("GET", "bob", path).status == 200, path
    shown = f"/admin/sessions/{bob.id}/{SESSION}"
    for path in (
        *("/admin/sessions", shown, f"{shown}/pieces/main.0.0", f"{shown}/redact"),
        *("/admin/users", f"/admin/users/{bob.id}", f"/admin/users/{bob.id}/as"),
    ):
        assert team.call("GET", "ada", path).status == 200, path
    for rest in ("", f"/{SESSION}", f"/{SESSION}/pieces/main.0.0", f"/{SESSION}/redact"):
        assert team.call("GET", "bob", f"/me/sessions{rest}").status == 200, rest
    large = Transcript(LARGE)
    large.prompt(random.Random(1).randbytes(4_300_000).hex())
    upload(house, bob, LARGE, large.body())
    assert team.call("GET", "ada", everything).status == 302
    assert team.call("GET", "ada", f"/api/admin/sessions/{bob.id}/{LARGE}/download").status == 302
    assert team.call("GET", "bob", f"/profile/sessions/{LARGE}").status == 302
    assert team.call("POST", "ada", f"/admin/sessions/{bob.id}/{LARGE}/redact").status == 200
    other = SESSION.replace("aaaa", "cccc")
    upload(house, bob, other, b'{"type":"user"}\n')
    assert team.call("POST", "bob", f"/me/sessions/{other}/redact").status == 200


def administered(house: GuardedHouse, team: Team, plugin: str) -> None:
    """An admin's day on the pages: an account from its first to its last day, a group, grants."""

    def send(path: str, form: dict[str, str], status: int = 303) -> str:
        answer = house.post(path, cookie=f"access_token={team.tokens['ada']}", form=form)
        assert answer.status == status, answer.text
        return answer.headers.get("location", "")

    user = send("/admin/users", {"action": "create", "email": "kim@example.com", "group_id": team.group})
    group = send("/admin/groups", {"action": "create", "name": "Auditors"})
    send(group, {"action": "add_members", "emails": "kim@example.com"})
    send(group, {"action": "edit", "name": "Audit", "description": "Reads everything."})
    given = {"group_id": group.rpartition("/")[2], "marketplace_id": "acme", "plugins": f"acme/{plugin}"}
    for action in ("grant", "require", "release", "revoke"):
        send("/admin/access", {**given, "action": action})
    for form in (
        {"action": "rename", "name": "Kim"},
        {"action": "password", "password": "a-long-enough-secret-9"},
        {"action": "leave", "group_id": team.group},
        {"action": "disable"},
        {"action": "enable"},
        {"action": "revoke_all_tokens"},
        {"action": "delete"},
    ):
        send(user, form)
    link = team.post("ada", f"/api/users/{user.rpartition('/')[2]}/reset-password", None, 404)
    assert link["code"] == "user_not_found"
    invited = team.post("ada", "/api/users", {"email": "lee@example.com", "send_invite": True}, 201)
    by_link = invited["invite_url"].removeprefix("http://agnes.test")
    assert house.get(by_link).status == 200
    assert house.post("/auth/password/set", form={"token": "x", "password": "x"}).status == 404
    assert house.get("/auth/password/reset").status == 200
    assert house.post("/auth/password/reset", form={"action": "sign_in", "email": "lee@example.com"}).status == 303
    body = json.dumps({"purpose": "sign_in", "email": "nobody@example.com"})
    record = {"messageId": "m", "body": body}
    assert house.run("accounts-queue_mail", {"Records": [record]}) == {"batchItemFailures": []}
    assert house.get("/auth/email/verify?token=x").status == 404
    token = team.post("bob", "/auth/tokens", {"name": "lost"}, 201)
    send("/admin/tokens", {"action": "revoke", "token_id": token["id"]})
    for path in ("/admin", "/admin/users", "/admin/groups", group, "/admin/access", "/admin/tokens?status="):
        assert team.call("GET", "ada", path).status == 200, path
    send(group, {"action": "delete"})
    for path in ("/me/profile", "/me/connect"):
        assert team.call("GET", "ada", path).status == 200, path
    assert send("/me/profile", {"action": "rename", "name": "Ada"}) == "/me/profile"
    send("/me/profile", {"action": "password", "current": "wrong", "new": "another-long-secret-7"}, 400)
    send("/me/profile", {"action": "create_token", "name": "pages"}, 200)
    send("/me/profile", {"action": "sign_out_elsewhere"})
    send("/me/profile", {"action": "factor_begin"}, 200)
    send("/me/profile", {"action": "factor_confirm", "code": "0"}, 400)


def signed_on(house: GuardedHouse) -> None:
    """By the organisation's identity provider: once let in, once refused."""
    for claims, arrived in (({}, "/marketplace"), ({"email_verified": False}, "/login?error=email_unverified")):
        house.provider.claims = claims
        begun = house.get("/auth/oidc/login")
        brought = urlencode(house.provider.authorize(begun.headers["location"]))
        ended = house.get(f"/auth/oidc/callback?{brought}", cookie=begun.cookies[0].partition(";")[0])
        assert ended.headers["location"].startswith(arrived)


def shared(house: GuardedHouse, team: Team) -> None:
    """What somebody shares: from its preview to its end."""

    def send(method: str, path: str, status: int, body: bytes = b"", **fields: str) -> Any:
        files = [("file", "notes.zip", body)] if body else []
        if method == "POST" and path == "/api/store/entities":
            files.append(("photo", "cover.png", b"\x89PNG\r\n\x1a\n"))
        form, headers = multipart(fields, files)
        answer = house.call(method, path, token=team.tokens["bob"], body=form, headers=headers)
        assert answer.status == status, answer.text
        return answer.json()

    def reviewed() -> None:
        record = {"messageId": "m", "body": json.dumps(house.queue.sent[-1].body)}
        assert house.run("flea-queue_review", {"Records": [record]}) == {"batchItemFailures": []}

    entities = "/api/store/entities"
    archive = packed({"SKILL.md": SKILL})
    send("POST", f"{entities}/preview", 200, archive)
    wish = {"filename": "x.zip", "size_bytes": len(archive), "sha256": hashlib.sha256(archive).hexdigest()}
    upload = team.post("bob", "/api/store/uploads", wish, 201)
    put(house, upload, archive)
    send("POST", f"{entities}/preview", 200, upload_id=upload["upload_id"])
    made = send("POST", entities, 201, upload_id=upload["upload_id"])
    entity = f"{entities}/{made['id']}"
    reviewed()
    queue = "/api/admin/store/submissions"
    [waiting] = team.call("GET", "ada", queue).json()["items"]
    submission = f"{queue}/{waiting['id']}"
    team.post("ada", f"{submission}/rescan", None, 200)
    team.post("ada", f"{submission}/approve", {}, 200)
    for path in ("", "/files", "/photo"):
        assert team.call("GET", "bob", f"{entity}{path}").status == 200, path
    for path in ("categories", "owners", "entities", "mine", f"mine/{made['id']}", "notices"):
        assert team.call("GET", "bob", f"/api/store/{path}").status == 200, path
    for path in (submission, f"{submission}/bundle.zip"):
        assert team.call("GET", "ada", path).status == 200, path
    send("PUT", entity, 200, packed({"SKILL.md": SKILL + "More.\n"}))
    reviewed()
    waits = team.call("GET", "bob", f"/api/store/mine/{made['id']}").json()["waiting"]["submission_id"]
    ada, bob = (f"access_token={team.tokens[who]}" for who in ("ada", "bob"))
    for path in ("/admin/store", "/admin/store/submissions", f"/admin/store/submissions/{waits}"):
        assert house.get(path, cookie=ada).status == 200, path
    for path in ("/store/new", "/store/mine", f"/store/mine/{made['id']}", "/store/notices"):
        assert house.get(path, cookie=bob).status == 200, path
    origin = {"Origin": "http://agnes.test"}
    pressed = {"action": "rescan"}
    assert house.post(f"/admin/store/submissions/{waits}", cookie=ada, form=pressed, headers=origin).status == 303
    form, headers = multipart({"action": "share", "name": "on-a-page"}, [("file", "notes.zip", archive)])
    page = house.call("POST", "/store/new", cookie=bob, body=form, headers=headers | origin)
    assert page.status == 303, page.text
    for form in ({"action": "update", "description": WORDS_ABOUT}, {"action": "transfer", "email": "x@example.com"}):
        house.post(page.headers["location"], cookie=bob, form=form, headers=origin)
    second = team.call("GET", "bob", f"/api/store/mine/{made['id']}").json()["waiting"]["submission_id"]
    team.post("ada", f"{queue}/{second}/reject", {"reason": "Not yet."}, 200)
    team.post("bob", f"/api/store/submissions/{second}/appeal", {"reason": "Why not?"}, 200)
    team.post("ada", f"{queue}/{second}/retry", {}, 200)
    house.state.commit("flea", lambda tx: tx.db.execute("UPDATE flea.submissions SET updated_at = '2026-01-01'"))
    house.run("flea-cron_reap")
    team.post("bob", f"/api/store/submissions/{second}/withdraw", None, 200)
    assert team.call("DELETE", "ada", f"{queue}/{second}").status == 204
    team.post("ada", f"{submission}/quarantine", {"reason": "A drill."}, 200)
    team.post("ada", f"{submission}/release", {"reason": "It was a drill."}, 200)
    team.post("ada", f"{entity}/report", {"reason": "It is spelt wrongly."}, 200)
    assert team.call("GET", "bob", "/api/store/bundle.zip?owner=me").status == 302
    form, headers = multipart(
        {"mode": "merge"}, [("file", "b.zip", packed({"manifest.json": '{"format":1,"entities":[]}'}))]
    )
    brought = house.call("POST", "/api/store/import-bundle", token=team.tokens["ada"], body=form, headers=headers)
    assert brought.status == 200, brought.text
    assert team.call("POST", "bob", "/api/store/notices").status == 204
    assert team.call("POST", "bob", f"{entity}/archive").status == 200
    assert team.call("PUT", "bob", f"{entity}/audience", {"audience": "private"}).status == 200
    assert team.call("POST", "bob", f"{entity}/versions/1/restore").status == 400
    house.state.commit("flea", lambda tx: tx.db.execute("UPDATE flea.submissions SET rules = 'old'"))
    for job in ("purge", "rescan", "digest"):
        house.run(f"flea-cron_{job}")
    assert team.call("DELETE", "bob", entity).status == 200


def known(house: GuardedHouse, team: Team) -> None:
    """Knowledge: from a proposal to everybody's sessions and out of them again."""
    api, admin = "/api/knowledge", "/api/admin/knowledge"
    fact = {"title": "Net revenue", "content": "Net revenue excludes refunds.", "domain": "finance"}
    item = team.post("bob", api, fact, 201)["item_id"]
    for path in ("", "/stats", "/bundle", "/notices", f"/{item}"):
        assert team.call("GET", "bob", f"{api}{path}").status == 200, path
    for path in ("relations", "detector", "export", "help"):
        assert team.call("GET", "ada", f"{admin}/{path}").status == 200, path
    assert team.call("PATCH", "bob", f"{api}/{item}", {"category": "workflow"}).status == 200
    assert house.run("knowledge-cron_relate")["report"]["expired"] == 0
    team.post("ada", f"{admin}/items/{item}/approve", {}, 200)
    cookies = {who: f"access_token={team.tokens[who]}" for who in ("ada", "bob")}
    for who, path in (
        ("bob", "/knowledge"),
        ("bob", "/knowledge/new"),
        ("bob", f"/knowledge/{item}"),
        ("ada", "/admin/knowledge"),
        ("ada", f"/admin/knowledge/{item}"),
    ):
        assert house.get(path, cookie=cookies[who]).status == 200, path
    origin = {"Origin": "http://agnes.test"}
    for who, path, form in (
        ("bob", "/knowledge/new", {"action": "propose", **fact, "title": "Another"}),
        ("bob", f"/knowledge/{item}", {"action": "up"}),
        ("ada", f"/admin/knowledge/{item}", {"action": "revoke", "reason": "A drill."}),
        ("ada", "/admin/knowledge", {"action": "retry", "user_id": "x", "session_id": "y"}),
    ):
        answer = house.post(path, cookie=cookies[who], form=form, headers=origin)
        assert answer.status == 303, (path, answer.text)
    assert team.call("POST", "bob", f"{api}/notices").status == 204
    note = {"workspace": "0123456789abcdef", "content": "The ledger closes on the third working day."}
    assert team.call("PUT", "bob", f"{api}/notes", note).json()["new_blocks"] == 1
    loads = {"sessions": {"00000000-0000-4000-8000-000000000001": [item]}}
    assert team.call("PUT", "bob", f"{api}/loads", loads).json() == {"recorded": 1}


def provisioned(house: GuardedHouse, team: Team) -> None:
    """By a directory, over SCIM."""
    token = team.post("ada", "/auth/tokens", {"name": "directory", "scope": "scim"}, 201)["token"]

    def ask(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = house.call(method, f"/scim/v2{path}", token=token, json_body=body)
        assert answer.status == status, answer.text
        return json.loads(answer.body) if answer.body else None

    for path in ("/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas", "/Users", "/Groups"):
        ask("GET", path)
    user = ask("POST", "/Users", {"schemas": [SCIM_USER], "userName": "nia@example.com"}, 201)
    group = ask(
        "POST", "/Groups", {"schemas": [SCIM_GROUP], "displayName": "Nia", "members": [{"value": user["id"]}]}, 201
    )
    ask("PUT", f"/Users/{user['id']}", {**user, "active": False})
    ask("PUT", f"/Groups/{group['id']}", {**group, "displayName": "Nias"})
    operations = [{"method": "DELETE", "path": f"/Users/{user['id']}"}]
    ask("POST", "/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
    ask("DELETE", f"/Groups/{group['id']}", status=204)


def page_files(house: GuardedHouse, plugin: str) -> list[str]:
    """URLs of the files on a plugin's page: its cover and a document."""
    sql = "SELECT metadata FROM marketplace.plugins WHERE name = ?"
    with house.state.read("marketplace") as db:
        shown = json.loads(db.execute(sql, [plugin]).fetchone()[0])
    return [shown["cover_url"], *(link["url"] for link in shown["doc_links"])]


def fetch(house: GuardedHouse, token: str) -> None:
    import base64

    headers = {
        "Authorization": f"Basic {base64.b64encode(f'x:{token}'.encode()).decode()}",
        "Git-Protocol": "version=2",
        "Content-Type": "application/x-git-upload-pack-request",
    }
    house.get("/marketplace.git/info/refs?service=git-upload-pack", headers=headers)
    listed = house.post("/marketplace.git/git-upload-pack", headers=headers, body=b"0014command=ls-refs\n0000")
    commit = re.search(rb"([0-9a-f]{40}) ", listed.body)[1]
    want = b"0012command=fetch\n0001" + b"0032want " + commit + b"\n" + b"0009done\n" + b"0000"
    assert b"PACK" in house.post("/marketplace.git/git-upload-pack", headers=headers, body=want).body
    house.post("/marketplace.git/git-receive-pack", headers=headers)


def test_every_function_was_at_work(lived_in: GuardedHouse) -> None:
    functions = {function.name for function in compose.compose().functions}
    assert functions - lived_in.statuses.keys() == set(), "add it to `with_everything`"
    failed = {name: statuses for name, statuses in lived_in.statuses.items() if max(statuses) >= 500}
    assert not failed


def test_no_function_left_its_prefixes(lived_in: GuardedHouse, policies: Policies) -> None:
    assert lived_in.statuses
    assert not policies.broken, "\n".join(sorted(policies.broken))


def test_routes_declare_the_state_files_that_they_read(lived_in: GuardedHouse) -> None:
    """They are looked at side by side when a request begins: one that is missing costs a wait, one too many costs money.
    A commit looks at the file that it changes by itself."""
    wrong, met = {}, 0
    for function in compose.compose().functions:
        for route in function.routes:
            looked_at = lived_in.looked_at.get((route.method, route.path))
            declared = set(route.contract.reads)
            if looked_at is None or (route.method != "GET" and not declared):
                continue
            met += 1
            beside = looked_at - {"people"} - WITHOUT_DECLARATION.get(route.path, set())
            if declared - beside or (beside - declared and route.method == "GET"):
                wrong[f"{route.method} {route.path}"] = f"reads {sorted(beside)}, declares {sorted(declared)}"
    assert not wrong, "\n".join(f"{where}: {how}" for where, how in wrong.items())
    assert met > 60


def test_the_guard_would_notice(policies: Policies) -> None:
    guarded = GuardedStore(policies)
    before = set(policies.broken)
    with acting("access-get_groups"):
        guarded.read("state/people/head.json")
        assert policies.broken == before
        guarded.read("state/stack/head.json")
    assert policies.broken - before == {
        "access-get_groups may not s3:GetObject state/stack/head.json",
        "access-get_groups may not s3:ListBucket state/stack/head.json",
    }
    policies.broken.clear()
    policies.broken |= before
