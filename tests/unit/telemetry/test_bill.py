"""What a response costs, whose it is, and the client's own bill beside ours."""

from __future__ import annotations

import json
from typing import Any

import pytest

from agnes.telemetry.model import EventType
from tests.unit.telemetry.sessions import RECEIVED, SAMPLES, extracted, served

CASES = SAMPLES / "cases"
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-4-6"
AT = "2026-11-20T09:00:00.000Z"


def case(name: str) -> list[Any]:
    found = sorted((CASES / name).glob("*.jsonl"))
    assert found
    later = RECEIVED.replace(month=12)
    return [extracted(path.read_bytes(), session=path.stem, received_at=later).summary for path in found]


def lines(*records: dict) -> bytes:
    return b"".join(json.dumps({"timestamp": AT, **record}).encode() + b"\n" for record in records)


def said(uuid: str, message: str | None = "msg_0123456789abcdef", *, parent: str | None = None, **more: Any) -> dict:
    usage = {"input_tokens": more.pop("given", 100), "output_tokens": more.pop("written", 10), **more.pop("usage", {})}
    block = more.pop("block", {"type": "text", "text": "x"})
    content = {"id": message, "role": "assistant", "model": more.pop("model", OPUS), "content": [block], "usage": usage}
    return {"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": content, **more}


def result(uuid: str, parent: str | None = None) -> dict:
    content = [{"type": "tool_result", "tool_use_id": "t1", "content": "ok"}]
    return {"type": "user", "uuid": uuid, "parentUuid": parent, "message": {"role": "user", "content": content}}


def prompt(uuid: str, text: str = "Go", **more: Any) -> dict:
    return {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}, **more}


def responses(*records: dict) -> int:
    return extracted(lines(*records)).summary.assistant_messages


def test_writes_for_an_hour_cost_twice_the_input():
    (summary,) = case("12-cache-1h")
    assert summary.list_cost_usd == pytest.approx(6.0)
    assert (summary.cache_creation_tokens, summary.cache_creation_1h_tokens) == (1_000_000, 1_000_000)


def test_an_advisors_tokens_are_its_models():
    (summary,) = case("14-advisor")
    assert summary.list_cost_usd == pytest.approx(1.0 + 1000 * 3e-6 + 500 * 15e-6)
    assert (summary.input_tokens, summary.output_tokens, summary.assistant_messages) == (161_000, 8500, 1)


def test_a_gateway_that_calls_every_response_the_same():
    summaries = case("15-gateway-constant-id")
    assert sum(s.assistant_messages for s in summaries) == 6
    assert (sum(s.input_tokens for s in summaries), sum(s.output_tokens for s in summaries)) == (12_009, 300)
    cost = (12_009 * 0.6 + 300 * 2.2) / 1e6  # glm-4.6, by the list
    assert sum(s.list_cost_usd for s in summaries) == pytest.approx(cost)
    assert not any(s.unpriced_tokens for s in summaries)


def test_lines_of_one_request_are_one_response():
    assert responses(said("a", requestId="r1"), result("b"), said("c", requestId="r1")) == 1
    assert (
        responses(said("a", requestRef="q", requestId="r"), prompt("b"), said("c", requestRef="q", requestId="r")) == 1
    )


def test_a_retry_that_shares_an_id_is_another_request():
    assert responses(said("a", requestId="r1"), said("c", requestId="r2")) == 2
    assert responses(said("a", "m1", requestId="r1"), said("c", "m2", requestId="r1")) == 2
    assert responses(said("a", requestRef="q1", requestId="r"), said("c", requestRef="q2", requestId="r")) == 2


def test_without_a_requests_id():
    assert responses(said("a", "relay"), said("b", "relay")) == 1
    assert responses(said("a", "relay"), result("b"), said("c", "relay")) == 2
    assert responses(said("a", "relay"), prompt("b"), said("c", "relay")) == 2
    # A line that follows another line of the response is one of it, whatever came between.
    assert responses(said("a", "relay"), result("b", "a"), said("c", "relay", parent="a")) == 1
    assert responses(said("a", None), said("b", None)) == 2
    assert responses(said("a", ""), said("b", ""), result("c"), said("d", "", given=200)) == 3


def test_a_response_whose_first_results_come_before_its_last_call():
    """As both clients write it when a tool is done before the model is: seen with 2.1.197 and 2.1.332."""
    between = (said("a"), result("b", "a"), said("c", parent="b"))
    assert responses(*between) == 1
    assert responses(said("a"), result("b", "a"), said("c", parent="b", given=101)) == 2
    assert responses(said("a"), prompt("b"), said("c", parent="b")) == 2


def test_a_copy_in_another_session_has_the_same_uuid():
    body = lines(prompt("p"), said("a", "relay"))
    (one,) = [e for e in extracted(body).events if e.event_type == EventType.MESSAGE]
    (copy,) = [
        e for e in extracted(body, session="77777777-0002-4f00-9a00-00000000bbbb").events if e.event_type == "message"
    ]
    (other,) = [e for e in extracted(lines(said("b", "relay"))).events if e.event_type == EventType.MESSAGE]
    assert one.event_id == copy.event_id != other.event_id


def test_lines_of_a_stream_repeat_and_complete_the_usage():
    early = said("a", requestId="r", written=1)
    (summary,) = [extracted(lines(early, said("b", requestId="r", written=34))).summary]
    assert (summary.input_tokens, summary.output_tokens, summary.assistant_messages) == (100, 34, 1)


def took(*, model: str = OPUS, **usage: Any) -> Any:
    return extracted(lines(said("a", model=model, given=0, written=0, usage=usage))).summary


def test_writes_of_which_nobody_says_how_long_are_of_five_minutes():
    assert took(cache_creation_input_tokens=1_000_000).list_cost_usd == pytest.approx(5)
    parts = {"ephemeral_5m_input_tokens": 400_000, "ephemeral_1h_input_tokens": 600_000}
    assert took(cache_creation=parts).list_cost_usd == pytest.approx(0.4 * 5 + 0.6 * 8)
    assert (
        took(
            cache_creation_input_tokens=1_000_000, cache_creation={"ephemeral_1h_input_tokens": 10**8}
        ).cache_creation_1h_tokens
        == 10**6
    )


def test_everything_else_that_a_bill_depends_on():
    million = {"input_tokens": 1_000_000}
    assert took(**million).list_cost_usd == pytest.approx(4)
    assert took(**million, speed="fast").list_cost_usd == pytest.approx(8)
    assert took(**million, service_tier="batch").list_cost_usd == pytest.approx(2)
    assert took(**million, inference_geo="us").list_cost_usd == pytest.approx(4.4)
    assert took(**million, server_tool_use={"web_search_requests": 3}).list_cost_usd == pytest.approx(4.03)
    assert took(model="claude-haiku-5-5", input_tokens=100_000).list_cost_usd == pytest.approx(0.01)
    assert took(model="claude-haiku-5-5", input_tokens=100_001).list_cost_usd == pytest.approx(0.0500005)
    assert took(**million, speed="ludicrous").unpriced_tokens == 1_000_000


def test_iterations_of_other_models():
    extra = {"input_tokens": 1_000_000, "output_tokens": 0}
    compaction = took(
        input_tokens=5, iterations=[{"type": "compaction", **extra}, {"type": "message", "input_tokens": 5}]
    )
    assert compaction.list_cost_usd == pytest.approx(4 + 5 * 4e-6)
    news = took(input_tokens=5, iterations=[{"type": "message"}, {"type": "news", "model": SONNET, **extra}])
    assert news.list_cost_usd == pytest.approx(3 + 5 * 4e-6)
    # A refused attempt is not billed; what other models were asked for is.
    tries = [
        {"type": "message", "model": "claude-fable-5", **extra},
        {"type": "fallback_message", "model": OPUS, **extra},
    ]
    assert took(**extra, iterations=tries).list_cost_usd == pytest.approx(4)
    tries.insert(1, {"type": "fallback_message", "model": SONNET, **extra})
    assert took(**extra, iterations=tries).list_cost_usd == pytest.approx(4 + 3)
    assert took(input_tokens=5, iterations="x").list_cost_usd == pytest.approx(5 * 4e-6)


# The client's own bill


def costs(total: float, usage: dict | None = None, **more: Any) -> dict:
    return {
        "type": "cost-state",
        "totalCostUSD": total,
        "modelUsage": usage or {},
        "hasUnknownModelCost": False,
        **more,
    }


def billed(dollars: float, *, given: int = 100, written: int = 10) -> dict:
    counts = {"inputTokens": given, "outputTokens": written, "cacheReadInputTokens": 0, "cacheCreationInputTokens": 0}
    return {f"{OPUS}[1m]": {**counts, "webSearchRequests": 0, "costUSD": dollars}}


OURS = 100 * 4e-6 + 10 * 20e-6


@pytest.mark.parametrize(
    ("after", "status"),
    [
        ([costs(OURS, billed(OURS))], "equal"),
        ([costs(9), costs(OURS, billed(OURS))], "equal"),
        ([costs(2 * OURS, billed(2 * OURS))], "other_price"),
        ([costs(1.0, billed(1.0, given=250_000))], "other_tokens"),
        ([costs(OURS, billed(OURS)), said("z", "msg_other", requestId="r9")], "unfinished"),
        ([costs(OURS, billed(OURS), hasUnknownModelCost=True)], "client_unsure"),
        ([costs(OURS, {"x": "y"}, modelUsage=[1])], "equal"),
        ([], None),
        ([costs(-1.0)], None),
    ],
)
def test_the_clients_bill_is_compared(after, status):
    summary = extracted(lines(prompt("p"), said("a", requestId="r1"), *after)).summary
    assert summary.bill_status == status
    assert summary.list_cost_usd == pytest.approx(OURS if status != "unfinished" else 2 * OURS)
    assert (summary.price_mismatches == [OPUS]) == (status == "other_price")


def test_a_forks_bill_begins_with_that_of_another_session():
    copy = said("a", requestId="r1", requestSessionId="77777777-0002-4f00-9a00-00000000bbbb")
    assert extracted(lines(copy, costs(5.0))).summary.bill_status == "forked"


def test_a_model_without_a_list_price():
    summary = extracted(lines(said("a", requestId="r1", model="glm-99"), costs(1.0))).summary
    assert (summary.bill_status, summary.unpriced_tokens, summary.list_cost_usd) == ("unpriced", 110, None)


# Own and carried


KIT = {"attributionSkill": "kit:ship", "attributionPlugin": "kit", "requestId": None}


def carried(*records: dict, **agents: bytes) -> list[bool]:
    names = served("kit", "other")
    found = extracted(lines(*records), names=names, **agents).events
    return [e.carried for e in found if e.event_type == EventType.MESSAGE]


def by(uuid: str, **more: Any) -> dict:
    return said(uuid, f"msg_{uuid}", **{**KIT, "requestId": f"r{uuid}", **more})


CALL = {"type": "tool_use", "id": "t1", "name": "Skill", "input": {"skill": "kit:ship"}}


def test_a_skill_works_itself_from_its_call_on():
    called = said("a", "msg_a", requestId="ra", block=CALL)
    text = prompt("c", "Base directory …", isMeta=True)
    assert carried(prompt("p"), called, result("b"), text, by("d"), result("e"), by("f")) == [False, False, False]
    assert carried(prompt("p", "<command-message>kit:ship</command-message>"), text, by("d")) == [False]


def test_what_comes_after_another_instruction_is_carried():
    queued = {
        "type": "attachment",
        "uuid": "q",
        "attachment": {"type": "queued_command", "prompt": "And?", "commandMode": "prompt"},
    }
    notice = prompt("n", "<task-notification>done</task-notification>", origin={"kind": "task-notification"})
    called = said("a", "msg_a", requestId="ra", block=CALL)
    for other in (queued, notice):
        assert carried(prompt("p"), called, result("b"), by("d"), other, by("f")) == [False, False, True]
    # Called again, it works again.
    again = by("g", block=CALL)
    assert carried(prompt("p"), called, result("b"), by("d"), notice, again, result("h"), by("i")) == [
        False,
        False,
        True,
        False,
    ]


def test_a_subagent_works_for_itself_and_its_callers_skill_carries_it():
    agent = lines(prompt("s1", "Check it"), by("s2", attributionAgent="other:checker"))
    assert carried(prompt("p"), by("d"), a1=agent) == [False, True]
    own_context = lines(prompt("s1", "Base directory …", isMeta=True), by("s2"))
    assert carried(prompt("p"), by("d"), a1=own_context) == [False, False]
    as_agent = lines(prompt("s1", "Base directory …", isMeta=True), by("s2", attributionAgent="Explore"))
    assert carried(prompt("p"), by("d"), a1=as_agent) == [False, False]
