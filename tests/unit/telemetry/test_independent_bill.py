"""The bill of generated sessions, computed from the plain list of their requests, is ours: to the cent, twice, in any order."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from agnes.kernel.principal import Principal
from agnes.telemetry.usage import figures
from agnes.telemetry.usage.model import Span
from tests.builders.billed_sessions import ADVISOR, BEGIN, Billed, Request, billed_sessions
from tests.unit.telemetry.plant import Plant
from tests.unit.telemetry.sessions import RECEIVED

pytestmark = pytest.mark.slow

D = Decimal
# (input, output, cache read, cache write of 5 minutes, of an hour), dollars a million tokens: platform.claude.com, Pricing, 2026-11.
LIST = {
    "claude-sonnet-4-6": (D(3), D(15), D("0.3"), D("3.75"), D(6)),
    "claude-opus-5-5": (D(4), D(20), D("0.2"), D(5), D(8)),
    "claude-opus-5": (D(5), D(25), D("0.5"), D("6.25"), D(10)),
    "claude-haiku-4-5-20251001": (D(1), D(5), D("0.1"), D("1.25"), D(2)),
    "claude-haiku-5-5": (D("0.1"), D("0.5"), D("0.01"), D("0.125"), D("0.2")),
    ADVISOR: (D(5), D(25), D("0.5"), D("6.25"), D(10)),
}


def dollars(request: Request) -> Decimal:
    """By the words of the price list: fast mode is twice, a batch half, the United States 1.1 times; Haiku 5.5 five times above 100,000."""
    counts = (request.input, request.output, request.cache_read, request.cache_write_5m, request.cache_write_1h)
    cost = sum(D(n) * price for n, price in zip(counts, LIST[request.model], strict=True)) / 1_000_000
    if request.model == "claude-haiku-5-5" and request.prompt > 100_000:
        cost *= 5
    cost *= (2 if request.fast else 1) * (D("0.5") if request.batch else 1) * (D("1.1") if request.us else 1)
    return cost + D(request.searches) / 100


def bill(made: Billed) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"cost": D(0), "responses": 0, "tokens": 0})
    for request in made.requests:
        line = found[request.model]
        line["cost"] += dollars(request)
        line["responses"] += request.is_response
        line["tokens"] += request.prompt + request.output
    return {model: {**line, "cost": round(line["cost"], 2)} for model, line in found.items()}


def ours(plant: Plant) -> dict[str, dict[str, Any]]:
    span = Span(BEGIN.date(), RECEIVED.date())
    admin = Principal(user_id="admin", email="admin@example.com", name="", is_admin=True)
    costs = figures.costs(plant.state, plant.store, admin, by="model", span=span)
    responses = {line.model: line.responses for line in figures.overview(plant.state, plant.store, span).models}
    assert not costs.unpriced_models
    return {
        row.bucket: {
            "cost": round(D(row.cost_usd), 2),
            "responses": responses[row.bucket],
            "tokens": row.tokens,
        }
        for row in costs.rows
    }


@pytest.mark.parametrize("seed", range(6))
def test_the_bill_is_the_same_to_the_cent(tmp_path, seed):
    made = billed_sessions(seed)
    expected = bill(made)
    plant = Plant(tmp_path)
    keys = list(made.files)
    random.Random(seed).shuffle(keys)
    for number, (session, agent) in enumerate(keys):
        plant.upload(made.body((session, agent)), session, agent=agent)
        if number % 3 == seed % 3:
            plant.run()
    plant.run()
    assert ours(plant) == expected
    for session, agent in keys:  # a second time, and extracted anew
        plant.upload(made.body((session, agent)), session, agent=agent)
    plant.run()
    assert ours(plant) == expected
    plant.state.close()


def test_the_generator_makes_every_shape():
    requests = [request for seed in range(6) for request in billed_sessions(seed).requests]
    told = {
        "fast": any(r.fast for r in requests),
        "batch": any(r.batch for r in requests),
        "us": any(r.us for r in requests),
        "1h": any(r.cache_write_1h for r in requests),
        "5m": any(r.cache_write_5m for r in requests),
        "searches": any(r.searches for r in requests),
        "advisor": any(r.model == ADVISOR for r in requests),
        "long": any(r.model == "claude-haiku-5-5" and r.prompt > 100_000 for r in requests),
    }
    assert all(told.values()), told
    lines = [line for seed in range(6) for file in billed_sessions(seed).files.values() for line in file]
    kinds = {
        "fork": any("requestSessionId" in line for line in lines),
        "gateway": any(line.get("message", {}).get("id") == "relay" for line in lines),
        "queued": any(line["type"] == "attachment" for line in lines),
        "compaction": any(line.get("isCompactSummary") for line in lines),
        "subagent": any(line.get("agentId") for line in lines),
        "newest": any(line.get("requestRef") for line in lines),
        "none": any(line["type"] == "assistant" and "requestId" not in line for line in lines),
    }
    assert all(kinds.values()), kinds
