"""The stand-in for the Messages API keeps to its script and tells when it cannot."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, Usage, asks, text, use

TOOLS = [{"name": "Bash"}]


def ask(api: ScriptedMessagesApi, prompt: str, *, stream: bool = False, tools=TOOLS) -> httpx.Response:
    body = {"model": "claude-x", "stream": stream, "tools": tools, "messages": [{"role": "user", "content": prompt}]}
    return httpx.post(f"{api.url}/v1/messages?beta=true", json=body)


def test_streams_a_reply_that_adds_up_to_the_whole_message():
    reply = Reply([text("Reading."), use("Bash", command="ls")], Usage(7, 9, 100, 20))
    with ScriptedMessagesApi([Script("main", [reply])]) as api:
        answer = ask(api, "hello", stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    frames = [frame.split("\n") for frame in answer.text.strip().split("\n\n")]
    events = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name.removeprefix("event: ") for name, _ in frames] == [event["type"] for event in events]
    assert [event["type"] for event in events if event["type"] != "content_block_stop"] == [
        "message_start",
        *["content_block_start", "content_block_delta"] * 2,
        "message_delta",
        "message_stop",
    ]
    assert events[0]["message"]["model"] == "claude-x"
    assert json.loads(events[5]["delta"]["partial_json"]) == {"command": "ls"}
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"] == {
        "input_tokens": 7,
        "output_tokens": 9,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
    }


def test_answers_whole_when_no_stream_is_asked_and_with_the_model_of_the_script():
    with ScriptedMessagesApi([Script("main", [Reply([text("Done.")], model="claude-y")])]) as api:
        answer = ask(api, "hello").json()
    assert (answer["model"], answer["stop_reason"], answer["content"][0]["text"]) == ("claude-y", "end_turn", "Done.")


def test_each_conversation_plays_its_own_script():
    auditor = Script("auditor", [Reply([text("audited")])], when=asks("Audit"))
    main = Script("main", [Reply([text("one")]), Reply([text("two")])])
    with ScriptedMessagesApi([auditor, main]) as api:
        said = [ask(api, prompt).json()["content"][0]["text"] for prompt in ("Go on", "Audit this", "Go on")]
        api.assert_finished()
    assert said == ["one", "audited", "two"]
    assert len(api.turns("auditor")) == 1


def test_side_requests_use_up_nothing():
    with ScriptedMessagesApi([Script("main", [Reply([text("kept")])])]) as api:
        assert ask(api, "Write a title", tools=None).status_code == 200
        assert api.turns() == []
        assert ask(api, "hello").json()["content"][0]["text"] == "kept"


def test_a_side_request_with_a_schema_is_answered_in_its_shape():
    schema = {"type": "object", "properties": {"title": {"type": "string"}}}
    body = {"model": "m", "messages": [], "output_config": {"format": {"type": "json_schema", "schema": schema}}}
    with ScriptedMessagesApi([]) as api:
        answer = httpx.post(f"{api.url}/v1/messages", json=body).json()
    assert json.loads(answer["content"][0]["text"]).keys() == {"title"}


def test_refuses_and_remembers_what_no_script_foresaw():
    with ScriptedMessagesApi(
        [Script("main", [], when=asks("hello")), Script("late", [Reply([text("x")])], asks("y"))]
    ) as api:
        ended, unknown = ask(api, "hello"), ask(api, "who?")
        assert (ended.status_code, unknown.status_code) == (400, 400)
        assert ended.json()["error"]["type"] == "invalid_request_error"
        assert len(api.surprises) == 2
        with pytest.raises(AssertionError, match="script 'main' ended"):
            api.assert_finished()


def test_tells_which_replies_were_never_asked_for():
    with ScriptedMessagesApi([Script("main", [Reply([text("x")])])]) as api:
        pass
    with pytest.raises(AssertionError, match=r"never asked for: \{'main': 1\}"):
        api.assert_finished()


def test_counts_tokens_and_knows_no_other_route():
    with ScriptedMessagesApi([]) as api:
        assert httpx.post(f"{api.url}/v1/messages/count_tokens", json={"messages": []}).json()["input_tokens"] > 0
        missing = httpx.post(f"{api.url}/v1/complete", json={})
        assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
