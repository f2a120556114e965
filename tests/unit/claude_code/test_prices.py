"""The price list: what the library says, under other names too; no model that a client or the library knows is unpriced."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from agnes.claude_code import price_table, prices
from agnes.claude_code.prices import Rate
from agnes.telemetry.model import PROMPT_TIERS

DAY = date(2026, 11, 30)
NEWEST_CLIENT = (  # its catalogue of models, 2.1.332, with the names that it uses on each cloud
    *("claude-3-5-haiku-20241022", "claude-haiku-4-5-20251001", "claude-haiku-5-5", "claude-3-5-sonnet-20241022"),
    *("claude-3-7-sonnet-20250219", "claude-sonnet-4-20250514", "claude-sonnet-4-5-20250929", "claude-sonnet-4-6"),
    *(
        "claude-sonnet-5",
        "claude-sonnet-5-5",
        "claude-opus-4-20250514",
        "claude-opus-4-1-20250805",
        "claude-opus-4-5-20251101",
    ),
    *("claude-opus-4-6", "claude-opus-4-7", "claude-opus-4-8", "claude-opus-5", "claude-opus-5-5", "claude-fable-5"),
    *("claude-fable-5-1", "claude-fable-5-2", "claude-mythos-5", "claude-mythos-5-1", "claude-mythos-5-2"),
)


def test_the_table_is_what_the_pinned_library_says():
    pytest.importorskip("genai_prices")
    from agnes_local import price_list

    assert Path(price_table.__file__).read_text() == price_list.module(), "run make prices"


def test_every_model_of_the_library_is_priced():
    providers = pytest.importorskip("genai_prices.data").providers
    (anthropic,) = (provider for provider in providers if provider.id == "anthropic")
    unpriced = [model.id for model in anthropic.models if prices.rates(model.id, DAY) is None]
    assert unpriced == ["claude-v1"]  # no client has used it


@pytest.mark.parametrize("model", NEWEST_CLIENT)
def test_every_model_of_the_newest_client_is_priced(model):
    found = prices.rates(model, DAY)
    assert found is not None
    assert found.cache_write == pytest.approx(1.25 * found.input)
    assert found.cache_write_1h == pytest.approx(2 * found.input)
    assert found.web_search == 0.01


@pytest.mark.parametrize(
    ("written", "model"),
    [
        ("claude-sonnet-4-5[1m]", "claude-sonnet-4-5"),
        ("claude-opus-5-5[1m]", "claude-opus-5-5"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("global.anthropic.claude-opus-5-5", "claude-opus-5-5"),
        ("eu.anthropic.claude-3-5-sonnet-20241022-v2:0", "claude-3-5-sonnet"),
        ("anthropic.claude-3-haiku-20240307-v1:0:200k", "claude-3-haiku"),
        ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4-0"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-3-5-sonnet-v2@20241022", "claude-3-5-sonnet"),
        ("claude-opus-5@default", "claude-opus-5"),
        ("claude-3-7-sonnet-latest", "claude-3-7-sonnet"),
        ("anthropic/claude-opus-4.6", "claude-opus-4-6"),
        ("Claude-Sonnet-4-6", "claude-sonnet-4-6"),
        ("claude-sonnet-4", "claude-sonnet-4-0"),
    ],
)
def test_other_names(written, model):
    assert prices.known_as(written) == model


@pytest.mark.parametrize(
    "written", ["glm-4.6", "claude-opus-6", "claude-opus-4-10", "claude-sonnet-50", "", "<synthetic>"]
)
def test_a_name_that_is_not_in_the_list_is_nobody_elses(written):
    assert prices.rates(written, DAY) is None


def test_prices_have_their_days():
    before, after = prices.rates("claude-sonnet-4-6", date(2026, 3, 12), Rate(long_prompt=200_000)), date(2026, 3, 13)
    assert before.input * 1e6 == pytest.approx(6)
    assert prices.rates("claude-sonnet-4-6", after, Rate(long_prompt=200_000)).input * 1e6 == pytest.approx(3)


@pytest.mark.parametrize(
    ("rate", "dollars"),
    [
        (Rate(), 4),
        (Rate(speed="fast"), 8),
        (Rate(service_tier="batch"), 2),
        (Rate(service_tier="priority"), 4),
        (Rate(inference_geo="us"), 4.4),
        (Rate(inference_geo="eu"), 4),
        (Rate(speed="fast", inference_geo="us"), 8.8),
        (Rate(long_prompt=200_000), 4),
    ],
)
def test_what_else_a_price_depends_on(rate, dollars):
    assert prices.rates("claude-opus-5-5", DAY, rate).input * 1e6 == pytest.approx(dollars)


def test_a_long_prompt_of_haiku_costs_five_times():
    assert prices.rates("claude-haiku-5-5", DAY, Rate(long_prompt=100_000)).output * 1e6 == pytest.approx(2.5)


def test_what_nobody_knows_has_no_price():
    assert prices.rates("claude-opus-5-5", DAY, Rate(speed="ludicrous")) is None
    assert prices.rates("claude-opus-5-5", DAY, Rate(service_tier="flex")) is None
    assert prices.rates("claude-sonnet-4-6", DAY, Rate(speed="fast")) is None


def test_the_lengths_that_events_tell_apart_are_those_of_the_list():
    assert {row[3] for row in price_table.PRICES} - {0} == set(PROMPT_TIERS)


def test_a_rate_is_read_as_it_was_written():
    assert Rate.read("") == Rate()
    assert Rate.read("fast|batch|us|200000") == Rate("fast", "batch", "us", 200_000)
