"""The feed: composing views, the zip, conditional requests, and real git, over the real gateway.

3 marketplaces, 60 plugins with 5 inner items each, 200 people in 40 groups with a view of their own
each; then ten times the plugins. Limits are measured in the same run: hashing the same rows, deflating
the same bytes anew, `git clone` of the same files from a bare repository on disk, `git ls-remote` of a server
that only sends bytes which it has ready, and an empty route. Syncs fetch from real git over HTTP; one of them
is of 269 plugins in 15,000 files, whose first sync stays under 3 s and whose second stays under 0.2 s.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from agnes import settings as settings_module
from agnes import wiring
from agnes.accounts import first_start, tokens, users
from agnes.feed import service as feed
from agnes.feed import upload_pack, zips
from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import Secret
from agnes.kernel.principal import SCHEDULER, Principal, Via
from agnes.marketplace import service as marketplaces
from agnes.marketplace import sync
from agnes.marketplace.limits import MAX_PLUGINS
from agnes.marketplace.model import NewMarketplace
from agnes.outside.git import DulwichGit
from agnes.outside.web import SafeWeb
from agnes.trees import packaging
from agnes.trees import service as trees
from agnes.trees.model import TreeFile
from agnes.wiring import Wiring
from agnes_local.demo_repository import BareRepository, File
from tests.builders.embedded import embedded_server
from tests.builders.faulty_store import FaultyStore
from tests.builders.git_http_server import GitHttpServer
from tests.builders.loopback import Loopback
from tests.builders.sample_marketplace import MANIFEST

ADMIN, PASSWORD = "ada@example.com", "correct horse battery"
MARKETPLACES, PEOPLE, VIEWS = 3, 200, 40
Emit = Callable[..., None]


def run(emit: Emit) -> None:
    for plugins in (60, 600):
        with tempfile.TemporaryDirectory() as folder:
            _measure(emit, Path(folder), plugins, "" if plugins == 60 else "_10x")
    with tempfile.TemporaryDirectory() as folder:
        _of_many_files(emit, Path(folder))


def _of_many_files(emit: Emit, folder: Path) -> None:
    settings = settings_module.load({"AGNES_DATA_DIR": str(folder / "data")})
    counted = FaultyStore(Wiring(settings).store, lambda *_: None, clock=SystemClock())
    with wiring.using(Wiring(settings, store=counted)) as house:
        _sync(emit, folder, 269, "_15000_files", files_each=56, first_aim=3000, unchanged_aim=200)
        house.state.close()


def _measure(emit: Emit, folder: Path, plugins: int, suffix: str) -> None:
    environ = {
        "AGNES_DATA_DIR": str(folder / "data"),
        "SEED_ADMIN_EMAIL": ADMIN,
        "SEED_ADMIN_PASSWORD": PASSWORD,
    }
    settings = settings_module.load(environ)
    counted = FaultyStore(Wiring(settings).store, lambda *_: None, clock=SystemClock())
    with wiring.using(Wiring(settings, store=counted)) as house:
        people = _fill(plugins)
        _in_process(emit, people, plugins, suffix)
        _sync(emit, folder, min(plugins, MAX_PLUGINS), suffix)
        now = wiring.clock().now()
        everything, dozen = (
            tokens.create(wiring.state(), who, name="bench", expires_in_days=1, ttl_seconds=None, now=now).token
            for who in (people[0], people[1])
        )
        house.state.close()
    with embedded_server(folder, environ) as server:
        _over_http(emit, server.base_url, everything, suffix)
        _with_git(emit, server.base_url, dozen, folder, suffix)


def _fill(plugins: int) -> list[Principal]:
    """Everything in bulk; the first person may have every plugin, the others twelve each."""
    state, store, now = wiring.state(), wiring.store(), wiring.clock().now()
    first_start.prepare(state, seed_email=ADMIN, seed_password=Secret(PASSWORD), now=now)
    rows = []
    for number in range(plugins):
        name = f"plugin-{number:03d}"
        files = [TreeFile(f"skills/s{n}/SKILL.md", _text(number * 10 + n)) for n in range(5)]
        made = packaging.package(name=name, files=[*files, TreeFile("README.md", _text(number))])
        tree = trees.put(store, made.files)
        rows.append((f"m{number % MARKETPLACES}", name, tree.id, tree.git_oid, made.version, tree.size_bytes))

    def marketplaces(tx: Any) -> None:
        for number in range(MARKETPLACES):
            tx.db.execute(
                "INSERT INTO marketplace.registries BY NAME SELECT $id AS id, $id AS name, 'https://x' AS url,"
                " '' AS description, 'Ada' AS curator_name, 'a@b.c' AS curator_email, 'ada' AS registered_by,"
                " now() AS registered_at, 1 AS reading_format",
                {"id": f"m{number}"},
            )
        tx.db.execute(
            """INSERT INTO marketplace.plugins BY NAME
            SELECT r[1] AS marketplace_id, r[2] AS name, 'What ' || r[2] || ' does' AS description, [] AS keywords,
                '{}' AS raw, r[3] AS tree_id, r[4] AS git_oid, r[5] AS version, r[6]::BIGINT AS size_bytes,
                7 AS file_count, false AS is_system, false AS disabled, now() AS created_at, now() AS updated_at
            FROM (SELECT unnest($rows) AS r)""",
            {"rows": [[str(value) for value in row] for row in rows]},
        )

    state.commit("marketplace", marketplaces)
    people = [users.create(state, SCHEDULER, email=f"p{n}@example.com", name=f"P{n}", now=now) for n in range(PEOPLE)]

    def grants(tx: Any) -> None:
        for group in range(VIEWS):
            tx.db.execute(
                "INSERT INTO people.groups (id, name, description, is_system, created_at, created_by) VALUES (?, ?, '', false, now(), NULL)",
                [f"g{group}", f"G{group}"],
            )
        given = [
            [f"g{group}-{row[1]}", f"g{group}", f"{row[0]}/{row[1]}"]
            for group in range(VIEWS)
            for row in (rows if group == 0 else [rows[(group * 7 + n) % len(rows)] for n in range(12)])
        ]
        tx.db.execute(
            "INSERT INTO people.grants (id, group_id, resource_type, resource_id, assigned_at, assigned_by) SELECT r[1], r[2], 'marketplace_plugin', r[3], now(), NULL"
            " FROM (SELECT unnest($rows) AS r)",
            {"rows": given},
        )
        tx.db.execute(
            "INSERT INTO people.memberships (user_id, group_id, source, added_at, added_by) SELECT r[1], r[2], 'admin', now(), NULL FROM (SELECT unnest($rows) AS r)",
            {"rows": [[person.id, f"g{n % VIEWS}"] for n, person in enumerate(people)]},
        )

    state.commit("people", grants)

    def subscriptions(tx: Any) -> None:
        tx.db.execute(
            """INSERT INTO stack.subscriptions SELECT u[1], p.marketplace_id, p.name, now()
            FROM (SELECT unnest($users) AS u), (SELECT unnest($plugins) AS q) JOIN LATERAL
                (SELECT q[1] AS marketplace_id, q[2] AS name) p ON true""",
            {"users": [[person.id] for person in people], "plugins": [[row[0], row[1]] for row in rows]},
        )

    state.commit("stack", subscriptions)
    return [
        Principal(p.id, p.email, p.name, frozenset({"everyone", f"g{n % VIEWS}"}), via=Via.LOGIN)
        for n, p in enumerate(people)
    ]


def _text(seed: int) -> bytes:
    """About 4 kB of Markdown that compresses as prose does."""
    words = ("forecast", "ledger", "query", "the", "of", "month", "when", "variance", "table", "check", str(seed))
    return "\n".join(" ".join(words[(seed * 31 + n * k) % 11] for k in range(1, 12)) for n in range(60)).encode()


def _in_process(emit: Emit, people: list[Principal], plugins: int, suffix: str) -> None:
    state, store = wiring.state(), wiring.store()
    views = {feed.feed_of(state, store, who, clock=wiring.clock()).view.commit for who in people[:VIEWS]}
    assert len(views) == VIEWS, "every group has a view of its own"
    composing = [_seconds(lambda who=who: feed.feed_of(state, store, who, clock=wiring.clock())) for who in people]
    emit(name=f"feed_compose_known_view_p50{suffix}", value=_ms(composing), unit="ms", better="lower", aim=5)

    everything = feed.feed_of(state, store, people[0], clock=wiring.clock()).view
    assert len(everything.plugins) == plugins
    body = zips.build(store, everything)
    plain = [
        trees.read_file(store, p.tree_id, f.path) for p in everything.plugins for f in trees.get(store, p.tree_id).files
    ]
    emit(
        name=f"feed_zip_new_view_p50{suffix}",
        value=_ms([_seconds(lambda: zips.build(store, everything)) for _ in range(9)]),
        unit="ms",
        better="lower",
        aim=60,
        limit=_ms([_seconds(lambda: [zlib.compress(file) for file in plain]) for _ in range(3)]),
    )
    emit(name=f"feed_zip_bytes{suffix}", value=len(body), unit="bytes", better="lower", aim=None)
    before = len(store.trace)
    feed.feed_of(state, store, people[5], clock=wiring.clock())
    emit(
        name=f"feed_store_calls_known_view{suffix}",
        value=len(store.trace) - before,
        unit="calls",
        better="lower",
        aim=4,  # one a state file
    )
    dozen = feed.feed_of(state, store, people[1], clock=wiring.clock()).view
    for name, ask in (
        ("zip_new_view", lambda cold: zips.url(cold, everything, now=wiring.clock().now())),
        ("pack_of_12", lambda cold: feed.build_pack(cold, dozen)),
    ):
        cold = FaultyStore(store, lambda *_: None, clock=SystemClock())  # caches are a store's own
        ask(cold)
        emit(
            name=f"feed_store_calls_{name}_cold{suffix}", value=len(cold.trace), unit="calls", better="lower", aim=None
        )


def _sync(
    emit: Emit,
    folder: Path,
    plugins: int,
    suffix: str,
    *,
    files_each: int = 5,
    first_aim: float | None = None,
    unchanged_aim: float | None = None,
) -> None:
    """A repository of so many plugins (a catalog lists at most MAX_PLUGINS), of which one changed since the last sync. Aims in ms."""
    files = {MANIFEST: File(b"")}
    for n in range(plugins):
        for number in range(files_each):
            skill, place = number % 5, number // 5
            name = "SKILL.md" if place == 0 else f"references/r{place}.md"
            files[f"plugins/p{n}/skills/s{skill}/{name}"] = File(_text(n * files_each + number))
    changed = "plugins/p7/skills/s0/SKILL.md"
    catalog = {"plugins": [{"name": f"p{n}", "source": f"./plugins/p{n}"} for n in range(plugins)]}
    files[MANIFEST] = File(json.dumps(catalog).encode())
    repository = BareRepository(folder / "synced.git", files)
    repository.commit("all")
    subprocess.run(["git", "-C", str(repository.folder), "repack", "-adq"], check=True)  # as servers keep theirs
    allow = frozenset({"http", "private"})
    git = DulwichGit(allow=allow)
    tools = sync.Syncing(
        wiring.state(), wiring.store(), git, wiring.secrets(), wiring.clock(), SafeWeb(allow=frozenset())
    )
    with GitHttpServer(folder) as server:
        wish = NewMarketplace(
            name="Synced",
            slug="synced",
            url=server.url(repository.folder.name),
            curator_name="Cora",
            curator_email="cora@example.com",
        )
        marketplaces.register(tools.state, SCHEDULER, wish, secrets=tools.secrets, clock=tools.clock, allow=allow)
        before_cpu = time.process_time()
        first = _seconds(lambda: sync.sync(tools, "synced"))
        first_cpu = time.process_time() - before_cpu
        times, calls = [], 0
        for n in range(3):
            repository.files[changed] = File(_text(10_000 + n))
            repository.commit("one")
            before = len(wiring.store().trace)
            times.append(_seconds(lambda: sync.sync(tools, "synced")))
            calls = len(wiring.store().trace) - before
        before = len(wiring.store().trace)
        unchanged = _seconds(lambda: sync.sync(tools, "synced"))
        idle = len(wiring.store().trace) - before
    emit(name=f"feed_sync_unchanged_ms{suffix}", value=unchanged * 1000, unit="ms", better="lower", aim=unchanged_aim)
    emit(name=f"feed_store_calls_sync_unchanged{suffix}", value=idle, unit="calls", better="lower", aim=None)
    emit(name=f"feed_sync_first_ms{suffix}", value=first * 1000, unit="ms", better="lower", aim=first_aim)
    emit(
        name=f"feed_sync_first_cpu_ms{suffix}", value=first_cpu * 1000, unit="ms of CPU time", better="lower", aim=None
    )
    emit(name=f"feed_sync_one_changed_p50{suffix}", value=_ms(times), unit="ms", better="lower", aim=None)
    emit(name=f"feed_store_calls_sync_one_changed{suffix}", value=calls, unit="calls", better="lower", aim=None)


def _over_http(emit: Emit, base_url: str, token: str, suffix: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    etag = _request(base_url, "/marketplace.zip", headers).getheader("ETag")
    known = {**headers, "If-None-Match": etag}
    connection = HTTPConnection(urlsplit(base_url).netloc)

    def ask(path: str, sent: dict[str, str]) -> int:
        connection.request("GET", path, headers=sent)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    for _ in range(20):
        ask("/marketplace.zip", known)
    times = []
    for _ in range(200):
        started = time.perf_counter()
        assert ask("/marketplace.zip", known) == 304
        times.append(time.perf_counter() - started)
    empty = [_seconds(lambda: ask("/api/version", {})) for _ in range(200)]
    emit(name=f"feed_zip_304_p50{suffix}", value=_ms(times), unit="ms", better="lower", aim=3, limit=_ms(empty))
    rate = _rate(base_url, "/marketplace.zip", known, clients=16, seconds=5)
    limit = _rate(base_url, "/api/version", {}, clients=16, seconds=3)
    emit(name=f"feed_zip_304_16_clients{suffix}", value=rate, unit="requests/s", better="higher", aim=500, limit=limit)


def _rate(base_url: str, path: str, headers: dict[str, str], *, clients: int, seconds: float) -> float:
    """Answers a second of `clients` that ask one after the other."""
    done = [0] * clients
    deadline = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = HTTPConnection(urlsplit(base_url).netloc)
        while time.perf_counter() < deadline:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status in (200, 304)
            done[number] += 1

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / seconds


def _with_git(emit: Emit, base_url: str, token: str, folder: Path, suffix: str) -> None:
    """The person who has twelve plugins; the first clone finds nothing in the server's caches."""
    environ = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Bearer {token}",
    }
    numbers = iter(range(1000))

    def git(*arguments: str) -> float:
        started = time.perf_counter()
        subprocess.run(["git", *arguments], env=environ, check=True, capture_output=True)
        return time.perf_counter() - started

    def clone(url: str) -> float:
        return git("clone", "-q", url, str(folder / f"clone{next(numbers)}"))

    url = f"{base_url}/marketplace.git"
    cold = clone(url)
    warm = [clone(url) for _ in range(9)]
    bare = folder / "bare.git"
    git("clone", "-q", "--bare", str(folder / "clone0"), str(bare))
    local = [clone(bare.as_uri()) for _ in range(5)]
    refs = [git("ls-remote", url) for _ in range(15)]
    with ReadyRefs() as ready:
        client = [git("ls-remote", ready.url) for _ in range(15)]
    emit(name=f"feed_git_ls_remote_p50{suffix}", value=_ms(refs), unit="ms", better="lower", aim=25, limit=_ms(client))
    emit(
        name=f"feed_git_clone_12_warm_p50{suffix}",
        value=_ms(warm),
        unit="ms",
        better="lower",
        aim=150,
        limit=_ms(local),
    )
    emit(
        name=f"feed_git_clone_12_cold{suffix}", value=cold * 1000, unit="ms", better="lower", aim=300, limit=_ms(local)
    )


class ReadyRefs(Loopback):
    """Answers git's two questions for refs with bytes that are ready: what is left of ls-remote is git's own time."""

    def __init__(self) -> None:
        answers = {
            "GET": (upload_pack.ADVERTISEMENT, upload_pack.advertise_capabilities()),
            "POST": (upload_pack.RESULT, upload_pack.line(f"{'a' * 40} {upload_pack.REF}\n") + b"0000"),
        }

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, format: str, *args: object) -> None: ...

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                content_type, body = answers[self.command]
                self.send_response(200)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

        self._bind(Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ready.git"


def _request(base_url: str, path: str, headers: dict[str, str]) -> Any:
    connection = HTTPConnection(urlsplit(base_url).netloc)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    answer.read()
    return answer


def _seconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def _ms(times: list[float]) -> float:
    return round(statistics.median(times) * 1000, 3)


if __name__ == "__main__":
    run(lambda **figure: print(json.dumps(figure)))
