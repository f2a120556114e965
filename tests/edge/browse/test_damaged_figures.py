"""The state file `telemetry` is damaged: the marketplace is there without current figures, and says so."""

from __future__ import annotations

import pytest

from agnes.browse.model import NO_FIGURES
from agnes.kernel.ports import ANYTHING, Blob
from agnes.state import StateFiles

pytestmark = pytest.mark.slow

PLUGIN = "/marketplace/curated/northwind/finops"
NOTE = NO_FIGURES.partition(":")[0]


@pytest.fixture
def restarted(shop, tmp_path):
    """What a process that has just been started sees; afterwards the store is as it was."""
    store, before = shop.house.store, shop.house.wiring.state
    held = {
        entry.key: blob.body
        for entry in list(store.list("state/telemetry/"))
        if isinstance(blob := store.read(entry.key), Blob)
    }

    def restart():
        fresh = StateFiles(store, clock=shop.house.clock, cache_dir=tmp_path / "cache", max_stale_seconds=0)
        shop.house.wiring.state = fresh
        return fresh

    yield restart
    for key, body in held.items():
        store.write(key, body, expect=ANYTHING)
    shop.house.wiring.state.close()
    shop.house.wiring.state = before


@pytest.mark.parametrize("what", ["head", "material"])
@pytest.mark.parametrize("how", ["absent", "empty", "truncated", "one bit", "another's"])
def test_the_marketplace_and_the_feed_go_on(shop, restarted, what, how):
    store = shop.house.store
    keys = [entry.key for entry in list(store.list("state/telemetry/"))]
    wanted = [k for k in keys if (k.endswith("head.json") if what == "head" else k.endswith((".duckdb", ".wal")))]
    for key in wanted:
        body = store.read(key).body
        if how == "absent":
            store.remove([key])
            continue
        middle = len(body) // 2
        changed = {
            "empty": b"",
            "truncated": body[:middle],
            "one bit": bytes([body[0] ^ 1]) + body[1:],
            "another's": store.read(key.replace("telemetry", "stack")).body if what == "head" else b"x" * len(body),
        }[how]
        store.write(key, changed, expect=ANYTHING)
    restarted()
    assert NOTE in shop.page("/marketplace?tab=curated")
    assert NOTE in shop.page(PLUGIN)
    for path in (
        *("/api/marketplace/items?tab=curated", "/api/marketplace/curated/northwind/finops", "/api/my-stack"),
        *("/marketplace/info", "/api/marketplace/categories"),
    ):
        assert shop.get(path).status == 200, path
    assert shop.get("/marketplace.zip").status in (200, 302)
    for path in (
        "/api/admin/usage/cost",
        "/api/me/stats/tokens",
        "/api/admin/usage/export?format=csv",
        "/api/me/home-stats",
    ):
        answer = shop.get(path)
        assert answer.status != 200, path
        assert answer.json()["code"] == "state_damaged", path


def test_a_process_that_had_figures_goes_on_with_them(shop, restarted):
    restarted()
    before = shop.json("/api/marketplace/items?tab=curated")["items"]
    shop.house.store.write("state/telemetry/head.json", b"{", expect=ANYTHING)
    shop.house.clock.sleep(5)
    after = shop.json("/api/marketplace/items?tab=curated")["items"]
    assert [each.get("invocations_30d") for each in after] == [each.get("invocations_30d") for each in before]
