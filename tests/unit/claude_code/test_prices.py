"""The price list: what the library says, under other names too; no model that a client or the library knows is unpriced."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from agnes.claude_code import other_models, price_table, prices
from agnes.claude_code.prices import Rate
from agnes.telemetry.extraction.spending import tier_of
from agnes.telemetry.model import LEAST_TIER, PROMPT_TIERS

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
    assert other_models.TABLE.read_text() == price_list.others(), "run make prices"


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
    "written",
    ["glm-99", "claude-opus-6", "claude-opus-4-10", "claude-sonnet-50", "", "<synthetic>", "a" * 400, "gpt-4o-2", "/"],
)
def test_a_name_that_is_not_in_the_list_is_nobody_elses(written):
    assert prices.rates(written, DAY) is None


def test_every_other_model_of_the_library_costs_what_the_library_says():
    genai = pytest.importorskip("genai_prices")
    from agnes_local.price_list import LEFT_OUT

    moments = [datetime(2026, 11, 30, hour, tzinfo=UTC) for hour in (2, 8, 20)]
    found = 0
    for provider in pytest.importorskip("genai_prices.data").providers:
        for model in provider.models if provider.id not in LEFT_OUT else ():
            name = f"{provider.id}/{model.id}"
            # A million tokens are a prompt that is longer than any length that counts.
            ours = prices.list_rates(name, DAY, "", max(other_models.prompt_tiers(name), default=0))
            amounts = []
            for at in moments:  # the dearest hour counts
                try:
                    priced = genai.calc_price(
                        genai.Usage(input_tokens=1_000_000, output_tokens=1_000_000, cache_read_tokens=0),
                        model.id, provider_id=provider.id, genai_request_timestamp=at,
                    )  # fmt: skip
                except LookupError:
                    continue
                if priced.model_price.input_mtok is not None and priced.model_price.output_mtok is not None:
                    amounts.append((float(priced.input_price), float(priced.output_price)))
            if not amounts or " " in model.id or "claude" in model.id:
                continue
            assert ours is not None, (provider.id, model.id)
            wanted = max(amounts)
            assert (ours.input * 1e6, ours.output * 1e6) == pytest.approx(wanted), (provider.id, model.id)
            found += 1
    assert found > 1_700


GATEWAYS = {
    # OpenRouter: vendor/model and its variants (openrouter.ai/docs, Model variants)
    "openai/gpt-5": (1.25, 10),
    "google/gemini-2.5-pro": (1.25, 10),
    "google/gemini-2.5-pro-preview": (1.25, 10),
    "qwen/qwen3-coder:nitro": (0.3, 1),
    "deepseek/deepseek-chat-v3-0324:free": (0, 0),
    "z-ai/glm-4.6": (0.6, 2.2),
    "x-ai/grok-4": (3, 15),
    "anthropic/claude-3.7-sonnet:thinking": (3, 15),
    "anthropic/claude-opus-5:batch": (2.5, 12.5),
    # LiteLLM: provider/model (docs.litellm.ai, Providers)
    "openai/gpt-4o-2024-08-06": (2.5, 10),
    "azure/gpt-4o": (2.5, 10),
    "gemini/gemini-2.5-flash": (0.3, 2.5),
    "vertex_ai/gemini-2.5-pro": (1.25, 10),
    "vertex_ai/claude-sonnet-4-5@20250929": (3, 15),
    "bedrock/us.amazon.nova-pro-v1:0": (0.8, 3.2),
    "bedrock/converse/us.deepseek.r1-v1:0": (1.35, 5.4),
    "bedrock/arn:aws:bedrock:us-east-1:1:inference-profile/us.amazon.nova-lite-v1:0": (0.06, 0.24),
    "xai/grok-4": (3, 15),
    "groq/llama-3.3-70b-versatile": (0.59, 0.79),
    "moonshot/kimi-k2-0905-preview": (0.6, 2.5),
    "fireworks_ai/accounts/fireworks/models/deepseek-v3p2": (0.56, 1.68),
    "openrouter/google/gemini-2.5-pro": (1.25, 10),
    "github_copilot/gpt-4.1": (2, 8),
    # claude-code-router: provider,model
    "deepseek,deepseek-chat": (0.27, 1.1),
    "openrouter,anthropic/claude-sonnet-4": (3, 15),
    "openrouter,google/gemini-2.5-pro-preview": (1.25, 10),
    # a provider with an API like Anthropic's, and models by their own names
    "glm-4.6": (0.6, 2.2),
    "GLM-4.6[1m]": (0.6, 2.2),
    "kimi-k2-0905-preview": (0.6, 2.5),
    "MiniMax-M2": (0.3, 1.2),
    "gpt-5-mini": (0.25, 2),
    "gpt-4o-2024-05-13": (5, 15),
    "o3": (2, 8),
    "gemini-2.5-pro-preview-05-06": (1.25, 10),
    "qwen3-coder": (0.3, 1),
    # an organisation's own gateway before it, and others' separators
    "acme-gateway/gpt-5": (1.25, 10),
    "acme/openrouter/z-ai/glm-4.6": (0.6, 2.2),
    "vertex:gemini-2.5-flash": (0.3, 2.5),
}


@pytest.mark.parametrize("written", GATEWAYS)
def test_names_as_gateways_write_them(written):
    found = prices.rates(written, DAY)
    assert found is not None
    assert (found.input * 1e6, found.output * 1e6) == pytest.approx(GATEWAYS[written])


@pytest.mark.parametrize(
    "written", ["ollama/gpt-oss:20b", "ollama,qwen2.5-coder:latest", "lm_studio/qwen3-coder", "vllm/glm-4.6"]
)
def test_models_on_ones_own_machine_have_no_list_price(written):
    assert prices.rates(written, DAY) is None


def test_a_date_that_has_a_price_of_its_own_keeps_it():
    assert prices.rates("gpt-4o-2024-05-13", DAY).input == 2 * prices.rates("gpt-4o", DAY).input
    before, after = prices.rates("gpt-5.6-luna", date(2026, 7, 29)), prices.rates("gpt-5.6-luna", date(2026, 7, 30))
    assert (before.input * 1e6, after.input * 1e6) == pytest.approx((1, 0.2))


def test_a_long_prompt_of_another_model():
    assert other_models.prompt_tiers("gemini/gemini-2.5-pro") == (200_000,)
    assert prices.rates("gemini-2.5-pro", DAY, Rate(long_prompt=200_000)).input * 1e6 == pytest.approx(2.5)
    assert tier_of(250_000, "gemini-2.5-pro") == 200_000
    assert tier_of(250_000, "gpt-5.6-luna") == 0
    assert tier_of(300_000, "gpt-5.6-luna") == 272_000
    lengths = {int(line.split()[4]) for line in other_models.TABLE.read_text().splitlines()[1:]}
    assert min(lengths - {0}) >= LEAST_TIER


def test_what_is_remembered_of_names_is_bounded():
    for number in range(5_000):
        prices.rates(f"model-{number}", DAY)
        prices.prompt_tiers(f"model-{number}")
    for cached in (prices.list_rates, prices.prompt_tiers, other_models.prices):
        assert cached.cache_info().maxsize is not None
        assert cached.cache_info().currsize <= cached.cache_info().maxsize < 5_000


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
