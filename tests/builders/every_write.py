"""An installation in which everything was used once, and one call of every route that writes.

Each write has things of its own, so that it succeeds whether or not the writes before it did. A route that has none in the table is
called about a thing that there is not, with an empty body: it must be refused as it is when all is whole.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import zstandard

from agnes.accounts import links
from agnes.accounts import service as accounts
from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import ANYTHING
from agnes.outside.object_store.memory import MemoryStore
from infra import compose, discovery
from infra.discovery import Route
from tests.builders import asking
from tests.builders.acme_team import ENVIRON, WORDS, Team
from tests.builders.copied_installation import JOBS, Installation, Process, Sent, Write
from tests.builders.flea import plant
from tests.builders.house import START, House
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.transcripts import Transcript

SETTINGS = {**ENVIRON, "SCHEDULER_API_TOKEN": "operator-0123456789abcdef0123456789"}
PASSWORD = "a-quite-different-phrase-4"
ALIAS = "/api/admin/telemetry/", "/api/admin/usage/"
"""Two names of the same functions."""


def declared_writes() -> set[tuple[str, str]]:
    """(method, path) of each route that may change something; of two names of one function, one."""
    routes: list[Route] = [route for function in discovery.functions() for route in function.routes]
    return {
        (route.method, route.path.replace(*ALIAS)) for route in routes if route.method not in ("GET", "HEAD", "OPTIONS")
    }


def talk(session: str) -> bytes:
    t = Transcript(session)
    t.prompt("Forecast Q3")
    t.result(t.use("Skill", skill="finops:forecast"), "Launching")
    t.result(t.use("Bash", command="ls"), "x")
    return t.body()


def install(folder: Path, api_url: str) -> Installation:
    """Let it all happen in a house below `folder`; `api_url` is that of a model that answers questions."""
    compose.write_openapi(compose.compose())
    clock, environ = FixedClock(START), {**SETTINGS, **asking.environ(api_url)}
    with House(folder, environ=environ, clock=clock, store=MemoryStore(clock=clock), queue=Sent()) as house:
        made = _Maker(house, folder)
        writes = made.writes()
        house.state.migrate()
        house.wiring.queue.clear()
        house.state.close()
        known = {(write.method, write.route) for write in writes}
        for method, route in sorted(declared_writes() - known):
            writes.insert(0, Write(method, route, re.sub(r"{[^}]+}", "nothing", route), {}, is_valid=False))
        return Installation(dict(house.store._held), made.team.tokens, writes, folder / "data", environ)


class _Maker:
    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder
        self.team = Team(house, folder, registered=True)
        self.drop = folder / "drop"
        self.drop.mkdir()
        team = self.team
        team.market.add_page_files("finops")
        team.market.release_finops("1.5.0")
        team.sync()
        team.grant("finops")
        team.grant("finops", "admin")
        for who in ("ada", "bob"):
            assert team.install(who, "finops").status < 300
        for slug in ("spare", "second"):
            market = SampleMarketplace(folder / f"{slug}.git")
            self.post("/api/marketplaces", {**WORDS, "slug": slug, "name": slug.title(), "url": market.url})
            self.post(f"/api/marketplaces/{slug}/sync")
        self.held = SampleMarketplace(folder / "held.git")
        self.post("/api/marketplaces", {**WORDS, "slug": "held", "name": "Held", "url": self.held.url, "hold": True})
        self.post("/api/marketplaces/held/sync")
        for name in ("new", "newer"):
            SampleMarketplace(folder / f"{name}.git")

    def post(self, path: str, body: Any = None, *, who: str = "ada") -> Any:
        answer = self.team.call("POST", who, path, body)
        assert answer.status < 300, f"{path}: {answer.text}"
        return answer.json() if answer.body else None

    def user(self, name: str, *, group: str = "") -> str:
        made = self.post("/api/users", {"email": f"{name}@example.com", "name": name.title()})["id"]
        if group:
            self.post(f"/api/admin/groups/{group}/members", {"email": f"{name}@example.com"})
        return made

    def group(self, name: str) -> str:
        return self.post("/api/admin/groups", {"name": name, "description": ""})["id"]

    def grant(self, group: str, plugin: str) -> str:
        wish = {"group_id": group, "resource_type": "marketplace_plugin", "resource_id": plugin}
        return self.post("/api/admin/grants", wish)["id"]

    def token(self, who: str, name: str) -> str:
        return self.post("/auth/tokens", {"name": name}, who=who)["id"]

    def session(self, number: int, who: str = "bob") -> str:
        session = f"5d2c8a10-0001-4f00-9a00-{number:012d}"
        packed = zstandard.compress(talk(session))
        self.post("/api/upload/sessions/complete", {"upload_id": self.uploaded(session, packed, who)}, who=who)
        return session

    def uploaded(self, session: str, packed: bytes, who: str) -> str:
        """The id of an upload whose bytes are there, and which is not completed."""
        wish = {"session_id": session, "size_bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest()}
        told = self.post("/api/upload/sessions/presign", wish, who=who)
        allowed = self.house.store.open_presigned_url("PUT", told["url"])
        self.house.store.take_presigned(allowed, [packed], content_type=told["headers"]["Content-Type"])
        return told["upload_id"]

    def location(self, name: str) -> dict[str, Any]:
        folder = self.drop / name
        folder.mkdir()
        return {"id": name, "kind": "folder", "pattern": f"{folder}/{{user}}/*.jsonl", "matching": "local_part"}

    def link(self, user_id: str, purpose: Any) -> str:
        house = self.house
        ada = accounts.identify(house.state, house.store, self.team.tokens["ada"], now=house.clock.now())
        made = links.create(self.house.state, ada, user_id, purpose, now=self.house.clock.now())
        return made.secret.value

    def writes(self) -> list[Write]:
        house, team = self.house, self.team
        bob, eve = (self.post_me(who) for who in ("bob", "eve"))
        entity = plant(house.state, house.store, owner_id=bob, name="notes", now=house.clock.now(), kind="plugin")
        other = plant(house.state, house.store, owner_id=bob, name="budget", now=house.clock.now(), kind="plugin")
        self.post(f"/api/store/entities/{other}/install", who="bob")
        sessions = [self.session(number) for number in range(8)]
        self.session(50, "eve")
        assert house.post("/api/admin/run-session-processor?processor=usage", token=team.tokens["ada"]).status == 200
        done = Process(house, Installation({}, team.tokens, [], self.folder, {}))
        for job in JOBS:
            assert done.run(job)["ok"], job
        self.use_the_rest(bob)
        exports = [self.post("/api/admin/usage/exports", {"format": "csv"})["id"] for _ in range(2)]
        assert done.consume() == []
        version = {
            row["version"]: row["id"]
            for row in team.call("GET", "ada", "/api/marketplaces/acme/plugins/finops/versions").json()
        }
        old = next(each for name, each in version.items() if not name.startswith("1.5.0"))
        trees = {
            row["name"]: row["tree_id"] for row in team.call("GET", "ada", "/api/marketplaces/second/plugins").json()
        }
        waiting = {
            name: team.call("GET", "ada", f"/api/marketplaces/held/plugins/{name}/versions").json()[0]["id"]
            for name in ("finops", "chartkit")
        }
        found = [
            *self.access_writes(bob, eve),
            *self.account_writes(bob),
            *self.marketplace_writes(old, trees, waiting),
            *self.stack_writes(entity, other),
            *self.telemetry_writes(sessions, bob, exports),
            *self.table_writes(),
            *self.last_writes(),
        ]
        assert len({write.name for write in found}) == len(found)
        return found

    def use_the_rest(self, bob: str) -> None:
        """Small objects of each kind that no write above leaves: views, zips, tombstones, uses of tokens, attempts, verdicts."""
        house, tokens = self.house, self.team.tokens
        for who in ("ada", "bob"):
            made = self.post("/auth/tokens", {"name": "laptop"}, who=who)
            assert house.get("/marketplace.zip", token=made["token"]).status == 302
            assert house.get("/marketplace/info", token=tokens[who]).status == 200
        for path in ("/api/health", "/api/admin/activity/health"):
            assert house.get(path, token=tokens["ada"]).status == 200
        wrong = {"email": "eve@example.com", "password": "wrong"}
        assert house.post("/auth/token", json_body=wrong).status == 401
        redacted = self.session(70)
        assert house.post("/api/admin/run-session-processor?processor=usage", token=tokens["ada"]).status == 200
        assert house.delete(f"/api/admin/usage/sessions/{bob}/{redacted}", token=tokens["ada"]).status == 200
        self.session(71)  # waits in the inbox

    def post_me(self, who: str) -> str:
        me = self.team.call("GET", who, "/api/me").json()
        return me.get("user_id") or me["id"]

    def access_writes(self, bob: str, eve: str) -> list[Write]:
        team = self.team
        one, two, three = (self.group(name) for name in ("One", "Two", "Three"))
        four, five, six = (self.group(name) for name in ("Four", "Five", "Six"))
        leaver, mover = self.user("leaver", group=one), self.user("mover", group=two)
        ended = self.grant(one, "acme/chartkit")
        kept = self.grant(two, "acme/chartkit")
        self.grant(three, "acme/chartkit")
        grants, groups = "/api/admin/grants", "/api/admin/groups"
        wish = {"group_id": team.group, "resource_type": "marketplace_plugin", "resource_id": "acme/sql-style"}
        return [
            Write("POST", grants, grants, wish),
            Write("POST", f"{grants}/batch", f"{grants}/batch", {"group_id": four, "plugins": ["acme/chartkit"]}),
            Write("DELETE", grants + "/{grant_id}", f"{grants}/{ended}"),
            Write("POST", grants + "/{grant_id}/required", f"{grants}/{kept}/required"),
            Write("DELETE", grants + "/{grant_id}/required", f"{grants}/{kept}/required"),
            Write("POST", groups, groups, {"name": "Analysts", "description": ""}),
            Write("PATCH", groups + "/{group_id}", f"{groups}/{three}", {"description": "Changed"}),
            Write("DELETE", groups + "/{group_id}", f"{groups}/{five}"),
            Write("POST", groups + "/{group_id}/members", f"{groups}/{one}/members", {"email": "eve@example.com"}),
            Write("DELETE", groups + "/{group_id}/members/{user_id}", f"{groups}/{one}/members/{leaver}"),
            Write(
                "POST", "/api/admin/users/{user_id}/memberships", f"/api/admin/users/{eve}/memberships", {"group_id": two}
            ),
            Write(
                "DELETE", "/api/admin/users/{user_id}/memberships/{group_id}",
                f"/api/admin/users/{mover}/memberships/{two}",
            ),
            Write("POST", "/admin/access", "/admin/access",
                  {"action": "revoke", "group_id": three, "marketplace_id": "acme", "plugins": "acme/chartkit"}),
            Write("POST", "/admin/groups", "/admin/groups", {"action": "create", "name": "Writers"}),
            Write("POST", "/admin/groups/{group_id}", f"/admin/groups/{six}",
                  {"action": "add_members", "emails": "bob@example.com"}),
        ]  # fmt: skip

    def account_writes(self, bob: str) -> list[Write]:
        names = ("patched", "deleted", "off", "on", "passworded", "reset", "renamed", "invited", "linked")
        users = {name: self.user(name) for name in names}
        self.post(f"/api/users/{users['on']}/deactivate")
        for name in ("invited", "linked"):
            self.post(f"/api/users/{users[name]}/set-password", {"password": PASSWORD})
        users_, each = "/api/users", "/api/users/{user_id}"
        ended, admins, page, own = (self.token("bob", name) for name in ("one", "two", "three", "four"))
        self.team.tokens["carl"] = self.house.login("linked@example.com", PASSWORD)
        login = {"email": "bob@example.com", "password": "battery staple"}
        setup = {"email": "x@example.com", "password": PASSWORD, "secret": "wrong"}
        return [
            Write("POST", users_, users_, {"email": "gina@example.com", "name": "Gina"}),
            Write("PATCH", each, f"{users_}/{users['patched']}", {"name": "Patched"}),
            Write("DELETE", each, f"{users_}/{users['deleted']}"),
            Write("POST", f"{each}/deactivate", f"{users_}/{users['off']}/deactivate"),
            Write("POST", f"{each}/activate", f"{users_}/{users['on']}/activate"),
            Write("POST", f"{each}/set-password", f"{users_}/{users['passworded']}/set-password", {"password": PASSWORD}),
            Write("POST", f"{each}/reset-password", f"{users_}/{users['reset']}/reset-password"),
            Write("POST", "/admin/users", "/admin/users", {"action": "create", "email": "hugo@example.com"}),
            Write("POST", "/admin/users/{user_id}", f"/admin/users/{users['renamed']}", {"action": "rename", "name": "R"}),
            Write("POST", "/auth/tokens", "/auth/tokens", {"name": "new"}, who="bob"),
            Write("DELETE", "/auth/tokens/{token_id}", f"/auth/tokens/{ended}", who="bob"),
            Write("DELETE", "/auth/admin/tokens/{token_id}", f"/auth/admin/tokens/{admins}"),
            Write("POST", "/admin/tokens", "/admin/tokens", {"action": "revoke", "token_id": page}),
            Write("POST", "/me/profile", "/me/profile", {"action": "revoke_token", "token_id": own}, who="bob"),
            Write("POST", "/auth/token", "/auth/token", login, who=""),
            Write("POST", "/auth/password/login", "/auth/password/login", login, who=""),
            Write("POST", "/auth/password/login/web", "/auth/password/login/web", {**login, "next": "/"}, who=""),
            Write("POST", "/auth/password/reset", "/auth/password/reset",
                  {"action": "reset", "email": "bob@example.com"}, who=""),
            Write("POST", "/auth/password/set", "/auth/password/set",
                  {"token": self.link(users["invited"], "reset"), "password": PASSWORD + "5"}, who=""),
            Write("POST", "/auth/email/verify", "/auth/email/verify",
                  {"token": self.link(users["linked"], "sign_in")}, who=""),
            Write("POST", "/setup", "/setup", setup, who=""),
            Write("POST", "/auth/bootstrap", "/auth/bootstrap", setup, who=""),
        ]  # fmt: skip

    def marketplace_writes(self, old: str, trees: Mapping[str, str], waiting: Mapping[str, str]) -> list[Write]:
        all_, one = "/api/marketplaces", "/api/marketplaces/{id}"
        plugin, finops = f"{one}/plugins/{{plugin}}", f"{all_}/acme/plugins/finops"
        page, review = "/admin/marketplaces", "/admin/marketplaces/{id}/plugins/{plugin}/versions/{version}"
        new, newer = (f"file://{self.folder / name}.git" for name in ("new", "newer"))
        blocked = "/api/admin/blocked-trees"
        return [
            Write("POST", all_, all_, {**WORDS, "slug": "new", "name": "New", "url": new}),
            Write("PATCH", one, f"{all_}/acme", {"description": "Changed"}),
            Write("POST", f"{one}/sync", f"{all_}/acme/sync"),
            Write("POST", f"{all_}/sync-all", f"{all_}/sync-all"),
            Write("POST", f"{plugin}/rollback", f"{finops}/rollback", {"version": old}),
            Write("DELETE", f"{plugin}/rollback", f"{finops}/rollback"),
            Write("POST", f"{plugin}/rollout", f"{finops}/rollout", {"version": old, "group_id": self.team.group}),
            Write("DELETE", f"{plugin}/rollout", f"{finops}/rollout"),
            Write("POST", f"{plugin}/disabled", f"{all_}/acme/plugins/chartkit/disabled"),
            Write("DELETE", f"{plugin}/disabled", f"{all_}/acme/plugins/chartkit/disabled"),
            Write("POST", f"{plugin}/system", f"{all_}/acme/plugins/sql-style/system"),
            Write("DELETE", f"{plugin}/system", f"{all_}/acme/plugins/sql-style/system"),
            Write("POST", f"{plugin}/versions/{{version}}/decision",
                  f"{all_}/held/plugins/finops/versions/{waiting['finops']}/decision", {"approved": True}),
            Write("POST", review, f"{page}/held/plugins/chartkit/versions/{waiting['chartkit']}",
                  {"action": "reject", "reason": "No"}),
            Write("POST", f"{blocked}/{{tree_id}}", f"{blocked}/{trees['chartkit']}", {"reason": "Unsafe"}),
            Write("DELETE", f"{blocked}/{{tree_id}}", f"{blocked}/{trees['chartkit']}"),
            Write("POST", page, page, {"action": "register", "url": newer, "slug": "newer", "name": "Newer"}),
            Write("POST", f"{page}/{{id}}", f"{page}/held", {"action": "edit", "name": "Held back"}),
            Write("POST", f"{page}/{{id}}/sync", f"{page}/held/sync", {}),
            Write("POST", f"{page}/{{id}}/plugins/{{plugin}}", f"{page}/acme/plugins/chartkit", {"action": "system"}),
            Write("DELETE", one, f"{all_}/spare?purge=true"),
        ]  # fmt: skip

    def stack_writes(self, entity: str, other: str) -> list[Write]:
        install, own = (
            "/api/marketplace/curated/{slug}/{plugin}/install",
            "/api/marketplace/curated/acme/finops/install",
        )
        stack = "/api/my-stack/curated/{slug}/{plugin}"
        store = "/api/store/entities/{entity_id}/install"
        wants = b"0012command=fetch\n00010009done\n0000"
        git = {"git-protocol": "version=2", "content-type": "application/x-git-upload-pack-request"}
        git["authorization"] = "Basic " + base64.b64encode(f"x:{self.team.tokens['bob']}".encode()).decode()
        return [
            Write("DELETE", install, own, who="bob"),
            Write("POST", install, own, who="bob"),
            Write("PUT", stack, stack.format(slug="acme", plugin="finops"), {"enabled": False}, who="bob"),
            Write("POST", store, store.format(entity_id=entity), who="bob"),
            Write("DELETE", store, store.format(entity_id=other), who="bob"),
            Write("POST", "/marketplace/curated/{slug}/{plugin}", "/marketplace/curated/acme/finops",
                  {"enabled": "true"}, who="bob"),
            Write("POST", "/marketplace/flea/{entity_id}", f"/marketplace/flea/{entity}", {"enabled": "true"}, who="eve"),
            Write("POST", "/marketplace.git/git-upload-pack", "/marketplace.git/git-upload-pack", raw=wants, headers=git,
                  who=""),
            Write("POST", "/marketplace.git/git-receive-pack", "/marketplace.git/git-receive-pack", raw=b"0000",
                  headers=git, who=""),
        ]  # fmt: skip

    def telemetry_writes(self, sessions: list[str], bob: str, exports: list[str]) -> list[Write]:
        usage = "/api/admin/usage"
        kept, changed, gone = (self.location(name) for name in ("kept", "changed", "gone"))
        for location in (changed, gone):
            self.post(f"{usage}/locations", location)
        session, packed = f"5d2c8a10-0001-4f00-9a00-{90:012d}", zstandard.compress(talk(f"x{90}"))
        waiting = self.uploaded(session, packed, "bob")
        wish = {"session_id": f"5d2c8a10-0001-4f00-9a00-{91:012d}", "size_bytes": 10, "sha256": "0" * 64}
        boundary = uuid4().hex
        direct = f"5d2c8a10-0001-4f00-9a00-{92:012d}"
        head = f'Content-Disposition: form-data; name="file"; filename="{direct}.jsonl"'
        form = f"--{boundary}\r\n{head}\r\n\r\n".encode() + talk(direct) + f"\r\n--{boundary}--\r\n".encode()
        price = {
            "model": "other",
            "valid_from": "2026-01-01",
            "input": 1,
            "output": 2,
            "cache_read": 0.1,
            "cache_write": 1,
        }
        for model in ("ended",):
            put = self.team.call("PUT", "ada", f"{usage}/prices", {**price, "model": model})
            assert put.status < 300, put.text
        redact = "/{session_id}/redact"
        return [
            Write("POST", "/api/upload/sessions/presign", "/api/upload/sessions/presign", wish, who="bob"),
            Write("POST", "/api/upload/sessions/complete", "/api/upload/sessions/complete", {"upload_id": waiting}, who="bob"),
            Write("POST", "/api/upload/sessions", "/api/upload/sessions", raw=form, who="bob",
                  headers={"Content-Type": f"multipart/form-data; boundary={boundary}"}),
            Write("POST", f"{usage}/exports", f"{usage}/exports", {"format": "json"}),
            Write("DELETE", usage + "/exports/{id}", f"{usage}/exports/{exports[0]}"),
            Write("POST", f"{usage}/locations/test", f"{usage}/locations/test", kept),
            Write("POST", f"{usage}/locations", f"{usage}/locations", kept),
            Write("POST", usage + "/locations/{id}/test", f"{usage}/locations/changed/test"),
            Write("PATCH", usage + "/locations/{id}", f"{usage}/locations/changed", {"enabled": False}),
            Write("DELETE", usage + "/locations/{id}", f"{usage}/locations/gone"),
            Write("PUT", f"{usage}/prices", f"{usage}/prices", price),
            Write("DELETE", f"{usage}/prices", f"{usage}/prices?model=ended&valid_from=2026-01-01"),
            Write("POST", f"{usage}/backfill", f"{usage}/backfill"),
            Write("POST", f"{usage}/reprocess", f"{usage}/reprocess"),
            Write("POST", f"{usage}/prune", f"{usage}/prune"),
            Write("POST", "/api/admin/run-session-collector", "/api/admin/run-session-collector"),
            Write("POST", "/api/admin/run-session-processor", "/api/admin/run-session-processor?processor=usage"),
            Write("POST", "/api/admin/run/{job}", "/api/admin/run/telemetry.sweep"),
            Write("POST", f"{usage}/ask", f"{usage}/ask", {"question": "How many?"}),
            Write("POST", "/admin/ask", "/admin/ask", {"question": "How many?"}),
            Write("DELETE", "/api/me/sessions/{session_id}", f"/api/me/sessions/{sessions[0]}", who="bob"),
            Write("DELETE", usage + "/sessions/{user_id}/{session_id}", f"{usage}/sessions/{bob}/{sessions[1]}"),
            Write("POST", "/admin/sessions/{user_id}" + redact, f"/admin/sessions/{bob}/{sessions[2]}/redact", {}),
            Write("POST", "/me/sessions" + redact, f"/me/sessions/{sessions[3]}/redact", {}, who="bob"),
            Write("DELETE", usage + "/sessions/{user_id}", f"{usage}/sessions/{self.post_me('eve')}"),
            Write("POST", "/admin/users/{user_id}/redact", f"/admin/users/{self.post_me('eve')}/redact", {}),
        ]  # fmt: skip

    def table_writes(self) -> list[Write]:
        root = "/api/admin/tables"
        self.house.store.write("tables/incoming/orders.csv", b"id,amount\n1,2\n", expect=ANYTHING)
        source = {"type": "files", "options": {"location": "store:"}, "secret": "s3cret-word"}
        for name in ("files", "changed", "gone"):
            self.post(f"{root}/sources", {"id": name, **source})
        table = {"source": "files", "source_table": "orders.csv"}
        for name in ("Orders", "Changed", "Gone"):
            self.post(f"{root}/registry", {"name": name, **table})
        one = root + "/registry/{table_id}"
        return [
            Write("POST", f"{root}/sources", f"{root}/sources", {"id": "new", **source}),
            Write("PATCH", root + "/sources/{source_id}", f"{root}/sources/changed", {"description": "x"}),
            Write("DELETE", root + "/sources/{source_id}", f"{root}/sources/gone"),
            Write("POST", f"{root}/registry", f"{root}/registry", {"name": "New", **table}),
            Write("POST", f"{root}/registry/precheck", f"{root}/registry/precheck", {"name": "Newer", **table}),
            Write("PUT", one, f"{root}/registry/changed", {"description": "x"}),
            Write("PUT", f"{one}/columns", f"{root}/registry/orders/columns", {"columns": {"id": "x"}}),
            Write("DELETE", one, f"{root}/registry/gone"),
            Write("POST", f"{root}/collect", f"{root}/collect", {"tables": ["orders"]}),
        ]

    def last_writes(self) -> list[Write]:
        """What ends the sign-in that asks for it."""
        return [Write("POST", "/auth/logout", "/auth/logout", {}, who="carl")]
