"""Plugins of other places: any number of them, one fetch for one commit, each with its own outcome, over several syncs."""

from __future__ import annotations

import dataclasses
import json
from contextlib import contextmanager
from threading import Lock

import pytest

from agnes.kernel.git import GitTooLarge, GitUnreachable
from agnes.marketplace import sync
from agnes.marketplace.reading import NO_ROOM, WAITING
from agnes_local.demo_repository import SYMLINK, BareRepository, File
from tests.builders.sample_marketplace import small_plugin

CATALOG = ".claude-plugin/marketplace.json"


class Counting:
    """Git that notes what it is asked for, and may do something before each fetch but that of the marketplace."""

    def __init__(self, inner, then=lambda url: None) -> None:
        self.inner, self.then = inner, then
        self.asked: list[str] = []
        self.received: list[str] = []
        self._lock = Lock()

    @contextmanager
    def fetch(self, url, **given):
        with self._lock:
            self.asked.append(url)
        if not url.endswith("m.git"):
            self.then(url, given) if self.then.__code__.co_argcount == 2 else self.then(url)
        with self.inner.fetch(url, **given) as snapshot:
            if snapshot is not None:
                self.received.append(url)
            yield snapshot


def repository(folder, *names: str, at_root: bool = False) -> BareRepository:
    files = {
        path if at_root else f"plugins/{name}/{path}": File(body.encode())
        for name in names
        for path, body in small_plugin(name).items()
    }
    made = BareRepository(folder, files)
    made.commit("the plugins")
    return made


def catalog(workshop, sources: dict) -> BareRepository:
    """A marketplace of these external plugins, registered."""
    entries = [{"name": name, "source": source} for name, source in sources.items()]
    made = BareRepository(workshop.folder / "m.git", {CATALOG: File(json.dumps({"plugins": entries}).encode())})
    made.commit("the catalog")
    workshop.register(made.url, allow_external=True)
    return made


def counted(workshop, then=lambda url: None) -> Counting:
    git = Counting(workshop.tools.git, then)
    workshop.tools = dataclasses.replace(workshop.tools, git=git)
    return git


def test_as_many_as_a_catalog_lists_with_one_fetch_a_commit(workshop):
    names = [f"p{number:03}" for number in range(233)]
    mono = repository(workshop.folder / "mono.git", *names)
    catalog(workshop, {n: {"source": "git-subdir", "url": mono.url, "path": f"plugins/{n}"} for n in names})
    git = counted(workshop)
    report = workshop.sync()
    assert (report.refused, report.warnings, len(report.added)) == ([], [], 233)
    assert all(plugin.is_served for plugin in workshop.plugins().values())
    assert git.asked.count(mono.url) == 1
    # The same commit: the refs are asked for, no pack is received, nothing is new.
    assert not workshop.sync().changed
    assert git.received.count(mono.url) == 1
    mono.files["plugins/p007/skills/hello/more.md"] = File(b"more")
    mono.commit("one plugin")
    report = workshop.sync()
    assert (report.updated, report.changed) == (["p007"], True)
    assert not workshop.sync().changed


def test_what_a_commit_id_names_is_fetched_once(workshop):
    mono = repository(workshop.folder / "mono.git", "tool")
    pinned = {"source": "git-subdir", "url": mono.url, "path": "plugins/tool", "sha": mono.head, "ref": "deleted"}
    market = catalog(workshop, {"tool": pinned})
    git = counted(workshop)
    workshop.sync()
    assert workshop.plugins()["tool"].is_served
    workshop.sync()
    market.files["README.md"] = File(b"x")
    market.commit("another commit of the marketplace")
    workshop.sync()
    assert git.asked.count(mono.url) == 1


def test_what_there_was_no_time_for_waits_and_goes_first(workshop):
    names = [f"p{number:02}" for number in range(12)]
    urls = {n: repository(workshop.folder / f"{n}.git", n, at_root=True).url for n in names}
    catalog(workshop, {n: {"source": "url", "url": url} for n, url in urls.items()})
    git = counted(workshop, lambda url: workshop.clock.sleep(20))
    report = workshop.sync(seconds=100)
    waiting = {name for name, plugin in workshop.plugins().items() if plugin.problem == WAITING}
    served = {name for name, plugin in workshop.plugins().items() if plugin.is_served}
    assert waiting
    assert served
    assert waiting | served == set(names)
    assert (report.waiting, report.has_advanced, report.refused) == (len(waiting), True, [])
    listed = ", ".join(sorted(waiting))
    assert report.warnings == [
        f"{len(waiting)} external plugins wait for the next sync, which begins with them: {listed}"
    ]
    first_run = len(git.asked)
    workshop.sync(seconds=100)
    asked = [url for url in git.asked[first_run:] if not url.endswith("m.git")]
    assert set(asked[: len(waiting)]) <= {urls[name] for name in waiting}
    for _ in range(4):
        workshop.sync(seconds=100)
    assert all(plugin.is_served for plugin in workshop.plugins().values())
    git.then = lambda url: None
    workshop.sync()
    assert [plugin.problem for plugin in workshop.plugins().values()] == [None] * 12


def test_what_waits_keeps_being_served_and_is_no_change(workshop):
    mono = repository(workshop.folder / "mono.git", "tool")
    catalog(workshop, {"tool": {"source": "git-subdir", "url": mono.url, "path": "plugins/tool"}})
    workshop.sync()
    before = workshop.plugins()["tool"]

    def slow(url):
        workshop.clock.sleep(1_000)
        raise GitUnreachable("the server took longer than 60 seconds")

    counted(workshop, slow)
    mono.files["plugins/tool/more.md"] = File(b"x")
    mono.commit("more")
    report = workshop.sync(seconds=1_001)
    assert report.warnings == ["1 external plugins wait for the next sync, which begins with them: tool"]
    assert (report.updated, report.changed) == ([], False)
    after = workshop.plugins()["tool"]
    assert (after.tree_id, after.problem, after.is_served) == (before.tree_id, WAITING, True)


def test_what_is_too_large_beside_others_is_fetched_alone(workshop):
    shares = []

    def too_large(url, given):
        shares.append(given["share"])
        if given["share"] > 1:
            raise GitTooLarge("the repository's pack is larger than 25000000 bytes")

    mono = repository(workshop.folder / "mono.git", "tool")
    catalog(workshop, {"tool": {"source": "git-subdir", "url": mono.url, "path": "plugins/tool"}})
    counted(workshop, too_large)
    workshop.sync()
    assert workshop.plugins()["tool"].is_served
    assert shares == [4, 1]


def test_each_has_its_own_outcome(workshop):
    mono = repository(workshop.folder / "mono.git", "good", "linked")
    mono.files["shared/secret.md"] = File(b"x")
    mono.files["plugins/linked/shared"] = File(b"../../shared", SYMLINK)
    mono.commit("links")

    def down(url):
        if "down" in url:
            raise GitUnreachable("the connection failed (ConnectionRefusedError)")

    catalog(
        workshop,
        {
            "good": {"source": "git-subdir", "url": mono.url, "path": "./plugins/good/"},
            "linked": {"source": "git-subdir", "url": mono.url, "path": "plugins/linked"},
            "nowhere": {"source": "git-subdir", "url": mono.url, "path": "plugins/nowhere"},
            "branch": {"source": "git-subdir", "url": mono.url, "path": "plugins/good", "ref": "feature/none"},
            "down": {"source": "url", "url": "https://down.example/x.git"},
            "word": {"source": "url", "url": "word"},
            "command": {"source": "command", "command": "make-plugin"},
            "helped": {"source": "archive", "url": "https://x.example/p.zip"},
        },
    )
    counted(workshop, down)
    report = workshop.sync()
    reasons = {refused.plugin: refused.reason for refused in report.refused}
    assert reasons["nowhere"] == "the repository has no folder plugins/nowhere"
    assert reasons["branch"] == "the repository has no tag feature/none"
    assert reasons["down"] == "the connection failed (ConnectionRefusedError)"
    assert reasons["word"] == "source: url must be an https URL, <owner>/<name> or git@<host>:<path>"
    plugins = workshop.plugins()
    assert {name for name, plugin in plugins.items() if plugin.is_served} == {"good", "linked"}
    assert plugins["command"].problem.startswith("a command source is made by a program on each person's computer")
    # As for the client, which checks out that folder alone.
    assert report.warnings == ["linked: shared: a symbolic link that leads out of plugins/linked; it is left out"]


@pytest.mark.parametrize("branch", ["feature/login", "release/2026.11", "user/mira/try-1"])
def test_branches_with_slashes(workshop, branch):
    mono = repository(workshop.folder / "mono.git", "tool")
    mono.files["plugins/tool/branch.md"] = File(branch.encode())
    mono.commit("of the branch", branch=branch)
    catalog(workshop, {"tool": {"source": "git-subdir", "url": mono.url, "path": "plugins/tool", "ref": branch}})
    assert workshop.sync().refused == []
    assert workshop.plugins()["tool"].file_count == 3


def test_a_sync_takes_so_many_bytes_and_queues_the_next(workshop):
    names = [f"p{number:02}" for number in range(12)]
    urls = {n: repository(workshop.folder / f"{n}.git", n, at_root=True).url for n in names}
    catalog(workshop, {n: {"source": "url", "url": url} for n, url in urls.items()})
    workshop.tools = dataclasses.replace(workshop.tools, external_bytes=1)
    served: list[int] = []
    report = None
    while report is None or sync.go_on(workshop, report, run=len(served) - 1):
        report = workshop.sync()
        served.append(sum(plugin.is_served for plugin in workshop.plugins().values()))
        waiting = [plugin.problem for plugin in workshop.plugins().values() if not plugin.is_served]
        assert set(waiting) <= {NO_ROOM}
        assert (report.waiting, report.refused) == (12 - served[-1], [])
    assert served == sorted(set(served)), "each sync gets further"
    assert served[-1] == 12
    assert [message.body for message in workshop.sent] == [
        {"id": "acme", "run": number + 1} for number in range(len(served) - 1)
    ]


def test_a_sync_that_gets_no_further_is_left_to_the_schedule(workshop):
    catalog(workshop, {"p": {"source": "url", "url": repository(workshop.folder / "p.git", "p", at_root=True).url}})
    workshop.tools = dataclasses.replace(workshop.tools, external_bytes=0)
    report = workshop.sync()
    assert (report.waiting, report.has_advanced) == (1, False)
    assert not sync.go_on(workshop, report)
    assert not sync.go_on(workshop, dataclasses.replace(report, has_advanced=True), run=20)
    assert workshop.sent == []
