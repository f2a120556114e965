"""`agnes admin cost`: the feature table, the sentence, and what it says where nothing was counted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra import compose
from tests.unit.cli.conftest import opened_office

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("counts", [True, False])
def test_cost_by_feature(tmp_path: Path, counts: bool):
    compose.write_openapi(compose.compose())
    with opened_office(tmp_path, AGNES_COUNT_CALLS=str(counts).lower()) as office:
        made = office.house.post("/auth/tokens", token=office.admin.token, json_body={"name": "laptop"}).json()["token"]
        assert office.laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0
        for _ in range(3):
            office.house.get("/marketplace", cookie=f"access_token={office.admin.token}")
        done = office.laptop.agnes("admin", "cost", "--days", "7")
        assert done.returncode == 0, done.stderr
        if not counts:
            assert (done.stdout, done.stderr) == ("", "No request was counted in these days.\n")
            return
        head, *rows = done.stdout.splitlines()
        assert head.split() == ["FEATURE", "REQUESTS", "RUNS", "SECONDS", "READS", "WRITES", "COST"]
        browse = next(row for row in rows if row.startswith("Marketplace pages"))
        assert browse.split()[2:4] == ["3", "3"]
        assert browse.split()[-1].startswith("$0.000")
        assert "would cost $0.00" in done.stderr
        assert "An estimate: this installation does not run on AWS. AWS list prices of 2026-11-30" in done.stderr
        found = json.loads(office.laptop.agnes("admin", "cost", "--json").stdout)
        assert {part["name"] for part in found["features"]} >= {"browse", "accounts", "hosting"}
        refused = office.laptop.agnes("admin", "cost", "--days", "90")
        assert refused.returncode == 2
