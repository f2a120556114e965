"""`agnes admin activity …` against a house."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from agnes.edge.job import Tick, run_job
from agnes.kernel.errors import UnavailableError
from infra import compose

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def built():
    compose.write_openapi(compose.compose())


@pytest.fixture
def ada(shop):
    return shop.laptop("ada", git=False)


def test_the_list_has_filters_and_goes_on_past_a_page(ada):
    shown = ada.agnes("admin", "activity", "--since", "7d", "--action", "user_group.")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines()[0].split() == ["TIME", "WHO", "ACTION", "THING", "RESULT", "FROM"]
    assert "user_group.created" in shown.stdout
    assert "login_succeeded" not in shown.stdout
    whole = json.loads(ada.agnes("admin", "activity", "list", "--since", "24h", "--limit", "1000", "--json").stdout)
    two = json.loads(ada.agnes("admin", "activity", "list", "--since", "1440", "--limit", "2", "--json").stdout)
    assert len(two["rows"]) == 2 < len(whole["rows"])
    assert two["next_cursor"]
    nothing = ada.agnes("admin", "activity", "--text", "nothing like this")
    assert (nothing.returncode, nothing.stdout, nothing.stderr.strip()) == (0, "", "Nothing fits.")


@pytest.mark.parametrize("since", ["0m", "7w", "-1d", "", "1.5h", "31d"])
def test_since_is_a_span(ada, since):
    refused = ada.agnes("admin", "activity", "--since", since)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_the_exit_code_of_health(shop, ada):
    fine = ada.agnes("admin", "activity", "health")
    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert fine.stdout.startswith("Agnes is running, but something needs attention.")

    def bad(_tick):
        raise UnavailableError("the bucket is gone")

    with pytest.raises(UnavailableError):
        run_job("telemetry.extract", bad, Tick(shop.team.house.clock.now()))
    shop.team.house.clock.sleep(timedelta(seconds=31).total_seconds())
    red = ada.agnes("admin", "activity", "health", "--json")
    assert (red.returncode, json.loads(red.stdout)["status"]) == (1, "red")


def test_the_sync_history(ada):
    shown = ada.agnes("admin", "activity", "sync")
    assert shown.returncode == 0, shown.stderr
    assert "acme" in shown.stdout
