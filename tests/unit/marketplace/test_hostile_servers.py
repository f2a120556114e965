"""Hostile git servers beside good ones, through whole syncs: each has its own outcome, and the good ones are served in bounded time.

What single packs and answers cost is in test_git_bounds.py and test_git_hostile.py; here it is what they do to others.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from agnes.kernel.errors import AgnesError
from agnes.marketplace import nightly, sync, sync_runs
from agnes_local.demo_repository import BareRepository, File
from tests.builders.patience import longer_and_longer
from tests.builders.raw_git import FLUSH, GitAnswers, pkt
from tests.builders.sample_marketplace import PLUGINS, SampleMarketplace, small_plugin
from tests.unit.marketplace.test_git_bounds import bomb_in_a_delta, endless_size_of_a_delta

pytestmark = pytest.mark.slow

SECONDS = 4.0
"""That a sync is given here at first; a nightly one has more. Hostile servers take all of it: a test ends, so they take no more."""
CATALOG = ".claude-plugin/marketplace.json"


def drip(handler: Any) -> None:
    """A byte now and then, for ever."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
    handler.end_headers()
    with suppress(OSError):
        while True:
            handler.wfile.write(b"0")
            time.sleep(0.05)


def refs_without_end(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "application/x-git-upload-pack-advertisement")
    handler.end_headers()
    line = pkt(b"%040x refs/heads/b\n" % 7) * 1000
    with suppress(OSError):
        handler.wfile.write(pkt(b"# service=git-upload-pack\n") + FLUSH)
        while True:
            handler.wfile.write(line)


def pack_of(made: Callable[[], tuple[str, bytes]]) -> Callable[[Any], None]:
    commit, pack = made()
    return lambda handler: handler.git(commit, pack)


@pytest.fixture(scope="module")
def hostile() -> Iterator[dict[str, str]]:
    """Name → URL of a server that means harm."""
    answers = {
        "drip": drip,
        "endless-delta": pack_of(endless_size_of_a_delta),
        "delta-bomb": pack_of(bomb_in_a_delta),
        "endless-refs": refs_without_end,
        "nonsense": lambda handler: handler.reply(200, "text/html", b"<html>" * 1000),
    }
    with ExitStack() as stack:
        urls = {name: stack.enter_context(GitAnswers(answer)).url() for name, answer in answers.items()}
        deaf = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        urls["silent"] = f"http://127.0.0.1:{deaf.getsockname()[1]}/m.git"
        yield urls


def test_marketplaces_of_hostile_servers_cost_the_others_nothing(workshop, hostile):
    """Hostile ones come first, by their names; each waits for its own time and no longer."""
    good = SampleMarketplace(workshop.folder / "good.git")
    for name, url in hostile.items():
        workshop.register(url, f"a-{name}")
    workshop.register(good.url, "z-good")
    for seconds in longer_and_longer(SECONDS / 2):
        report = sync_runs.sync_all(workshop.tools, workshop, seconds=seconds)
        if report.synced:
            break
    assert [line.id for line in report.synced] == ["z-good"]
    assert {failure.id for failure in report.errors} == {f"a-{name}" for name in hostile}
    assert report.queued == []
    assert all(plugin.is_served for plugin in workshop.plugins("z-good").values())
    for name in hostile:
        shown = workshop.marketplace(f"a-{name}")
        assert shown.last_error, name
        assert shown.plugin_count == 0
    outcomes = workshop.rows("SELECT marketplace_id, outcome FROM marketplace.syncs ORDER BY started_at")
    assert dict(outcomes) == {**{f"a-{name}": "failed" for name in hostile}, "z-good": "changed"}


def test_each_is_a_message_of_its_own_at_night(workshop, hostile):
    """A server that is worth asking again has its message delivered again; the others end with their reason."""
    workshop.register(SampleMarketplace(workshop.folder / "good.git").url, "good")
    for name in ("silent", "delta-bomb"):
        workshop.register(hostile[name], name)
    assert set(nightly.queue_all(workshop.state, workshop)) == {"good", "silent", "delta-bomb"}
    outcomes = {}
    for message in workshop.sent:
        slug = message.body["id"]
        for seconds in longer_and_longer(SECONDS / 2):
            try:
                made = sync.sync(workshop.tools, slug, seconds=seconds)
                outcomes[slug] = made.plugin_count
            except AgnesError as exc:
                outcomes[slug] = exc.status
            if slug != "good" or outcomes[slug] != 503:
                break
    assert outcomes == {"good": len(PLUGINS), "silent": 503, "delta-bomb": 502}


def test_plugins_of_hostile_servers_cost_their_neighbours_nothing(workshop, hostile):
    """One catalog lists good plugins of its own, a good one of another repository, and one of each hostile server."""
    other = BareRepository(
        workshop.folder / "other.git", {path: File(body.encode()) for path, body in small_plugin("tool").items()}
    )
    other.commit("the plugin")
    files = {f"plugins/own/{path}": File(body.encode()) for path, body in small_plugin("own").items()}
    entries = [{"name": name, "source": {"source": "url", "url": url}} for name, url in hostile.items()]
    entries += [
        {"name": "tool", "source": {"source": "url", "url": other.url}},
        {"name": "own", "source": "./plugins/own"},
    ]
    market = BareRepository(
        workshop.folder / "m.git", {CATALOG: File(json.dumps({"plugins": entries}).encode()), **files}
    )
    market.commit("the catalog")
    workshop.register(market.url, allow_external=True)
    for seconds in longer_and_longer(SECONDS):
        workshop.sync(seconds=seconds)
        plugins = workshop.plugins()
        if all(plugins[name].is_served for name in ("own", "tool")):
            break
    assert {name for name, plugin in plugins.items() if plugin.is_served} == {"own", "tool"}
    assert len({plugins[name].problem for name in hostile}) >= 4, "each has its own reason"
    assert None not in {plugins[name].problem for name in hostile}
    market.files["plugins/own/skills/hello/more.md"] = File(b"more")
    market.commit("own grows")
    updated: set[str] = set()
    for seconds in longer_and_longer(SECONDS):
        updated |= set(workshop.sync(seconds=seconds).updated)  # which meets them again
        if "own" in updated:
            break
    assert updated - set(hostile) == {"own"}
    assert {name for name, plugin in workshop.plugins().items() if plugin.is_served} == {"own", "tool"}
