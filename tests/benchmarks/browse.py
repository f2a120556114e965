"""Browsing over the real gateway: 2,000 plugins, 10,000 inner items, 1,000 users, 90 days of rollups.

Routes and pages at 1 and at 16 clients, every sort and searches among them; object-store calls a request; the size of
each page. Limits are measured in the same run: an empty route of the same gateway.
"""

from __future__ import annotations

import itertools
import json
import random
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from agnes import settings as settings_module
from agnes import wiring
from agnes.accounts import first_start
from agnes.browse import shelf
from agnes.browse.listing import ItemsQuery, listing
from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import Secret
from agnes.kernel.principal import Principal
from agnes.state import StateFiles
from agnes.trees import packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from agnes.wiring import Wiring
from tests.benchmarks import _browse_dependencies
from tests.builders.embedded import embedded_server
from tests.builders.faulty_store import FaultyStore

PLUGINS, INNER, PEOPLE, GROUPS, MARKETPLACES, DAYS = 2000, 10_000, 1000, 40, 8, 90
ADMIN, PASSWORD = "ada@example.com", "correct horse battery"
CATEGORIES = ("Code & Engineering", "Data & Analytics", "Documentation", "Productivity", "Security", "Research", "")
SYLLABLES = tuple(a + b + c for a in "bdfgklmnprst" for b in "aeiou" for c in ("", "n", "r", "st"))
KNOWN = ("forecast", "ledger", "chart", "flowchart", "audit", "auditor", "mint", "ops", "graph", "kit", "query", "lint")
Emit = Callable[..., None]

LISTINGS = (
    "tab=curated",
    "sort=most_used",
    "sort=most_adopted",
    "sort=trending",
    "sort=most_used&page=7",
    "tab=my",
    "tab=my&sort=most_used",
    "category=Security",
    "category=Research&sort=most_adopted",
    "not_in_stack=1&sort=trending",
    *(f"q={word}" for word in ("forecast", "ledger", "chart", "forecsat", "aud", "mint+ops", "graph+kit", "edger")),
    "q=lint&sort=most_used",
    "q=flow&category=Security",
    "q=kit&tab=my",
)
"""What clients ask for, in turn: every sort, searches with and without a typo, filters, pages, My Stack."""


def run(emit: Emit) -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        _measure(emit, Path(folder))


def _measure(emit: Emit, folder: Path) -> None:
    environ = {
        "AGNES_DATA_DIR": str(folder / "data"),
        "SEED_ADMIN_EMAIL": ADMIN,
        "SEED_ADMIN_PASSWORD": PASSWORD,
        "AGNES_WORKERS": "2",
    }
    settings = settings_module.load(environ)
    counted = FaultyStore(Wiring(settings).store, lambda *_: None, clock=SystemClock())
    with wiring.using(Wiring(settings, store=counted)) as house:
        fill()
        state = house.state
        began = time.perf_counter()
        made = shelf.catalogue(state)
        emit(name="browse_catalogue_made_cold", value=_since(began), unit="ms", better="lower", aim=None)
        began = time.perf_counter()
        made.content.index.search("forecast")
        emit(name="browse_search_index_made", value=_since(began), unit="ms", better="lower", aim=None)
        after = [_since_call(lambda: shelf.catalogue(state)) for user in range(9) if _took_off(state, f"u{user}")]
        emit(
            name="browse_catalogue_after_an_install", value=statistics.median(after), unit="ms", better="lower", aim=30
        )
        admin = _admin(state)
        times = [
            _since_call(lambda query=query: listing(made, admin, query, now=datetime.now(UTC)))
            for query in _new_searches()
        ]
        emit(name="browse_search_never_asked_before_p50", value=_p(times, 50), unit="ms", better="lower", aim=5)
        emit(name="browse_search_never_asked_before_p95", value=_p(times, 95), unit="ms", better="lower", aim=None)
        before = len(counted.trace)
        shelf.catalogue(state)
        calls = len(counted.trace) - before
        emit(name="browse_store_calls_folder", value=calls, unit="calls", better="lower", aim=5)  # one a state file
        state.close()
        lasting = StateFiles(counted, clock=SystemClock(), cache_dir=folder / "cache", max_stale_seconds=60)
        shelf.catalogue(lasting)
        before = len(counted.trace)
        shelf.catalogue(lasting)
        emit(name="browse_store_calls_s3_warm", value=len(counted.trace) - before, unit="calls", better="lower", aim=0)
        lasting.close()
    with embedded_server(folder, environ) as server:
        over_http(emit, server.base_url)
    with wiring.using(Wiring(settings)) as house:
        state = house.state
        _browse_dependencies.measure(emit, state)
        state.close()


def _new_searches() -> list[ItemsQuery]:
    """Words, beginnings and mistakes that nobody has searched for, so that nothing is remembered of them."""
    rng = random.Random(11)
    words = ["".join(rng.sample(SYLLABLES, 2)) for _ in range(300)]
    return [ItemsQuery.model_validate({"q": word[: rng.randint(2, len(word))]}) for word in words]


def _admin(state: Any) -> Principal:
    with state.read("people") as db:
        user_id = db.execute("SELECT id FROM people.users WHERE email = ?", [ADMIN]).fetchone()[0]
    return Principal(user_id, ADMIN, "", frozenset({"everyone", "admin"}), is_admin=True)


def _took_off(state: Any, user_id: str) -> bool:
    """A commit, which is the state's to measure."""
    state.commit("stack", lambda tx: tx.db.execute("DELETE FROM stack.subscriptions WHERE user_id = ?", [user_id]))
    return True


def _since_call(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return _since(began)


def over_http(emit: Emit, base_url: str) -> None:
    cookie = _sign_in(base_url)
    details = [f"/marketplace/curated/m{n % MARKETPLACES}/plugin-{n:04d}" for n in range(0, 200, 3)]
    doors: dict[str, tuple[list[str], float, float | None]] = {
        "health": (["/api/health"], 0, None),
        "items_route": ([f"/api/marketplace/items?{query}" for query in LISTINGS], 5, 500),
        "listing_page": ([f"/marketplace?{query}" for query in LISTINGS], 10, 250),
        "plugin_page": (details, 10, 250),
        "inner_page": ([f"{path}/skill/skill-0" for path in details], 10, 250),
        "plugin_route": ([f"/api{path}" for path in details], 10, None),
    }
    for name, (paths, aim_ms, aim_rate) in doors.items():
        with Client(base_url, cookie) as client:
            for path in (*paths, *paths):  # both workers make their catalogue
                client.get(path)
            times = client.timed(itertools.islice(itertools.cycle(paths), 300))
        emit(name=f"browse_{name}_p50_1_client", value=_p(times, 50), unit="ms", better="lower", aim=aim_ms or None)
        emit(name=f"browse_{name}_p95_1_client", value=_p(times, 95), unit="ms", better="lower", aim=None)
        times, rate = crowd(base_url, cookie, paths)
        emit(name=f"browse_{name}_p50_16_clients", value=_p(times, 50), unit="ms", better="lower", aim=None)
        emit(name=f"browse_{name}_p95_16_clients", value=_p(times, 95), unit="ms", better="lower", aim=None)
        emit(name=f"browse_{name}_rate_16_clients", value=rate, unit="1/s", better="higher", aim=aim_rate)
    for name, path in {"listing": "/marketplace", "plugin": details[0], "inner": f"{details[0]}/skill/skill-0"}.items():
        for part, size in page_size(base_url, cookie, path).items():
            aim = 150 if part == "whole" else None
            emit(name=f"browse_{name}_page_{part}", value=size / 1000, unit="kB", better="lower", aim=aim)


def crowd(
    base_url: str, cookie: str, paths: list[str], *, clients: int = 16, seconds: float = 6.0
) -> tuple[list, float]:
    """Times of all requests in ms, and requests a second."""
    times: list[list[float]] = []
    began = time.perf_counter()

    def ask(start: int) -> None:
        mine: list[float] = []
        times.append(mine)
        with Client(base_url, cookie) as client:
            for path in itertools.cycle(paths[start:] + paths[:start]):
                if time.perf_counter() - began > seconds:
                    return
                mine.extend(client.timed([path]))

    threads = [threading.Thread(target=ask, args=(n * 7 % len(paths),)) for n in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    every = [ms for mine in times for ms in mine]
    return every, len(every) / (time.perf_counter() - began)


def page_size(base_url: str, cookie: str, path: str) -> dict[str, int]:
    """Bytes before compression: the page, and each stylesheet and script that it names."""
    with Client(base_url, cookie) as client:
        html = client.get(path)
        links = re.findall(rb'(?:href|src)="(/static/[^"]+\.(?:css|js)[^"]*)"', html)
        parts = {"html": len(html), "css": 0, "script": 0}
        for link in dict.fromkeys(links):
            parts["css" if b".css" in link else "script"] += len(client.get(link.decode()))
    return {**parts, "whole": sum(parts.values())}


class Client:
    def __init__(self, base_url: str, cookie: str) -> None:
        self._connection = HTTPConnection(urlsplit(base_url).netloc, timeout=30)
        self._headers = {"Cookie": cookie, "Accept": "text/html"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def get(self, path: str) -> bytes:
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        assert answer.status == 200, f"{path}: {answer.status} {body[:300]!r}"
        return body

    def timed(self, paths: Any) -> list[float]:
        times = []
        for path in paths:
            began = time.perf_counter()
            self.get(path)
            times.append(_since(began))
        return times


def _sign_in(base_url: str) -> str:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=30)
    body = json.dumps({"email": ADMIN, "password": PASSWORD})
    connection.request("POST", "/auth/token", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    token = json.loads(answer.read())["access_token"]
    connection.close()
    return f"access_token={token}"


# ---- what is browsed


def fill(*, plugins: int = PLUGINS, people: int = PEOPLE, seed: int = 5) -> None:
    """Everything in bulk; the admin may see everything, the others what their three groups of 40 were granted."""
    state, store, now = wiring.state(), wiring.store(), datetime.now(UTC)
    first_start.prepare(state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=now)
    rng = random.Random(seed)
    inner = INNER // PLUGINS
    stored = [_tree(store, number, inner) for number in range(20)]
    words = [*KNOWN, *("".join(rng.sample(SYLLABLES, rng.choice((1, 2, 2, 3)))) for _ in range(3000))]
    rng.shuffle(words)
    weights = list(itertools.accumulate(1 / (place + 10) for place in range(len(words))))  # as words of a language

    def text(count: int) -> str:
        return " ".join(rng.choices(words, cum_weights=weights, k=count))

    rows = [
        {
            "slug": f"m{n % MARKETPLACES}",
            "name": f"plugin-{n:04d}",
            "description": text(14),
            "category": rng.choice(CATEGORIES),
            "tree": stored[n % len(stored)][0],
            "size": stored[n % len(stored)][1],
            "age": rng.randint(0, 400),
            "keywords": text(3).split(),
        }
        for n in range(plugins)
    ]
    for row in rows:
        tagline = " ".join(row["description"].split()[:8])
        page = {"tagline": tagline, "description": row["description"], "items": {"skill:skill-0": {"tagline": tagline}}}
        row["page"] = json.dumps(page)
    items = [
        {"slug": row["slug"], "plugin": row["name"], "kind": kind, "name": f"{kind}-{n}", "description": text(12)}
        for row in rows
        for n, kind in enumerate(("skill", "skill", "skill", "agent", "command")[:inner])
    ]

    def marketplaces(tx: Any) -> None:
        for number in range(MARKETPLACES):
            tx.db.execute(
                "INSERT INTO marketplace.registries (id, name, url, branch, description, curator_name, curator_email,"
                " token_name, registered_by, registered_at, last_synced_at, last_commit_sha, last_error, last_sync_id,"
                " reading_format) SELECT $id, 'Market ' || $id, 'https://x', NULL, '', 'Ada', 'a@b.c',"
                " NULL, 'ada', now() - INTERVAL 500 DAY, NULL, NULL, NULL, NULL, 1",
                {"id": f"m{number}"},
            )
        _insert(
            tx,
            """INSERT INTO marketplace.plugins (marketplace_id, name, description, upstream_version, author_name, homepage,
                category, keywords, source_type, source_spec, raw, tree_id, git_oid, version, fingerprint, size_bytes,
                file_count, problem, is_system, disabled, created_at, updated_at, released_at, removed_at, metadata)
                SELECT slug, name, description, '1.0.0', 'Ada', NULL, category, keywords,
                'path', NULL, '{}', tree, 'oid', '1.0.0+abc', 'f', size, 7, NULL, ends_with(name, '0777'), false,
                now() - age * INTERVAL 1 DAY, now() - age * INTERVAL 1 DAY, now(), NULL, page FROM given""",
            rows,
            {"slug": "VARCHAR", "name": "VARCHAR", "description": "VARCHAR", "category": "VARCHAR", "tree": "VARCHAR",
             "size": "BIGINT", "age": "INTEGER", "keywords": ["VARCHAR"], "page": "VARCHAR"},
        )  # fmt: skip
        _insert(
            tx,
            """INSERT INTO marketplace.items SELECT slug, plugin, kind, name, NULL, description,
                'skills/' || name || '/SKILL.md', NULL, 0 FROM given""",
            items,
            dict.fromkeys(("slug", "plugin", "kind", "name", "description"), "VARCHAR"),
        )

    state.commit("marketplace", marketplaces)
    _people(state, rows, people)
    _stacks(state, rng, rows, people)
    _telemetry(state, rng, rows, items)


def _insert(tx: Any, insert: str, rows: list[dict[str, Any]], columns: dict[str, Any]) -> None:
    tx.db.execute(
        f"{insert.replace('FROM given', 'FROM (SELECT unnest(from_json($rows, $shape), max_depth := 2))')}",
        {"rows": json.dumps(rows, default=str), "shape": json.dumps([columns])},
    )


def _tree(store: Any, number: int, inner: int) -> tuple[str, int]:
    body = "\n\n".join(f"## Step {n}\n\nRead the **ledger** and write `report-{n}.csv`." for n in range(20))
    files = [
        TreeFile(f"skills/skill-{n}/SKILL.md", f"---\nname: skill-{n}\n---\n\n{body}\n{number}".encode())
        for n in range(inner)
    ]
    made = packaging.package(name=f"plugin-{number}", files=[*files, TreeFile("README.md", body.encode())])
    tree = trees.put(store, made.files)
    return tree.id, tree.size_bytes


def _people(state: Any, rows: list[dict[str, Any]], people: int) -> None:
    def change(tx: Any) -> None:
        tx.db.execute(
            "INSERT INTO people.users (id, email, name, password_hash, active, created_at, updated_at, deactivated_at, deactivated_by) SELECT 'u' || n, 'u' || n || '@example.com', 'U' || n, NULL, true, now(), now(),"
            " NULL, NULL FROM range($people) r(n)",
            {"people": people},
        )
        tx.db.execute(
            "INSERT INTO people.groups (id, name, description, is_system, created_at, created_by) SELECT 'g' || n, 'G' || n, '', false, now(), NULL FROM range($groups) r(n)",
            {"groups": GROUPS},
        )
        tx.db.execute(
            "INSERT INTO people.memberships (user_id, group_id, source, added_at, added_by) SELECT DISTINCT 'u' || n, 'g' || ((n * k) % $groups), 'admin', now(), NULL"
            " FROM range($people) r(n), (VALUES (1), (3), (7)) v(k)",
            {"people": people, "groups": GROUPS},
        )
        resources = [f"{row['slug']}/{row['name']}" for row in rows]
        tx.db.execute(
            "INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at, assigned_by) SELECT 'x' || n, CASE WHEN n % 2 = 0 THEN 'admin' ELSE 'everyone' END,"
            " 'marketplace_plugin', resource, now(), NULL"
            " FROM (SELECT unnest($resources) AS resource, unnest(range(len($resources))) AS n)",
            {"resources": resources},
        )
        tx.db.execute(
            "INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at, assigned_by) SELECT 'y' || n, 'g' || (n % $groups), 'marketplace_plugin', resource, now(), NULL"
            " FROM (SELECT unnest($resources) AS resource, unnest(range(len($resources))) AS n)",
            {"resources": resources, "groups": GROUPS},
        )

    state.commit("people", change)


def _stacks(state: Any, rng: random.Random, rows: list[dict[str, Any]], people: int) -> None:
    with state.read("people") as db:
        admin = db.execute("SELECT id FROM people.users WHERE email = ?", [ADMIN]).fetchone()[0]
    given = [
        {"user": user, "slug": row["slug"], "name": row["name"]}
        for user in [admin, *(f"u{n}" for n in range(people))]
        for row in rng.sample(rows, 12)
    ]

    def change(tx: Any) -> None:
        _insert(
            tx,
            'INSERT INTO stack.subscriptions SELECT "user", slug, name, now() FROM given',
            given,
            dict.fromkeys(("user", "slug", "name"), "VARCHAR"),
        )
        tx.db.execute(
            "INSERT INTO stack.required_grants SELECT 'y' || n, now(), 'ada' FROM range(0, $plugins, 20) r(n)",
            {"plugins": len(rows)},
        )

    state.commit("stack", change)


def _telemetry(state: Any, rng: random.Random, rows: list[dict[str, Any]], items: list[dict[str, Any]]) -> None:
    """Windows of 90 % of the items, and their daily rows; the state keeps 31 of the 90 days."""
    today = datetime.now(UTC).date()
    keys = [(r["slug"], r["name"], "plugin", r["name"]) for r in rows]
    keys += [(i["slug"], i["plugin"], i["kind"], i["name"]) for i in items]
    windows = []
    for slug, plugin, kind, name in keys:
        if rng.random() < 0.9:
            calls, users = int(rng.paretovariate(0.7)) % 100_000, rng.randint(1, 400)
            trend = round(rng.uniform(-80, 200), 2) if rng.random() < 0.6 else None
            windows.append({"slug": slug, "plugin": plugin, "kind": kind, "name": name, "calls": calls,
                            "users": min(users, calls), "trend": trend})  # fmt: skip
    shape = dict.fromkeys(("slug", "plugin", "kind", "name"), "VARCHAR") | {
        "calls": "BIGINT", "users": "BIGINT", "trend": "DOUBLE"}  # fmt: skip

    def change(tx: Any) -> None:
        _insert(
            tx,
            """INSERT INTO telemetry.item_windows SELECT 'curated', slug, plugin, kind, name, calls // 4, users // 2, 0,
                calls, users, 0, 20, 1000, 2000, 30000, 400, 33400, trend, current_date, 0.0545, 0, 100, 1, 3400, 0.005, 0 FROM given""",
            windows,
            shape,
        )
        for back in _days(today, min(DAYS, 31)):
            tx.db.execute(
                "INSERT INTO telemetry.item_daily SELECT $day::DATE, source, marketplace_id, plugin, kind, name,"
                " invocations_30d // 30, distinct_users_30d // 10, 0, 10, 20, 30, 40, 5, 1 FROM telemetry.item_windows"
                " WHERE plugin LIKE 'plugin-%'",
                {"day": back},
            )

    state.commit("telemetry", change)


def _days(today: date, count: int) -> Iterator[date]:
    return (today - timedelta(days=back) for back in reversed(range(count)))


def _since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


def _p(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100)[percent - 1]
