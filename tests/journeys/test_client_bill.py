"""The bill that the newest client writes of a session is ours: two kinds of cache writes, web searches, fast mode, geography, an advisor,
a subagent; and a fork's begins with that of its parent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from agnes.claude_code import versions
from agnes.telemetry.extraction.extract import SessionKey, extract
from agnes.telemetry.extraction.served import Served
from agnes.telemetry.model import Summary, TranscriptFile
from tests.builders.claude_client import ClaudeClient
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, asks, text, use

pytestmark = [pytest.mark.client, pytest.mark.slow]


@dataclass(frozen=True)
class BilledUsage:
    """What the API says of a response, word by word."""

    usage: dict[str, Any]

    def record(self) -> dict[str, Any]:
        return self.usage


COUNTS = {
    "input_tokens": 100,
    "output_tokens": 200,
    "cache_read_input_tokens": 3000,
    "cache_creation_input_tokens": 5000,
}
FULL = BilledUsage(
    {
        **COUNTS,
        "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 4000},
        "service_tier": "standard",
        "inference_geo": "us",
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
    }
)
ADVISED = BilledUsage(
    {
        **COUNTS,
        "iterations": [
            {"type": "message", **COUNTS},
            {"type": "advisor_message", "model": "claude-opus-4-6", **COUNTS, "input_tokens": 160_000},
        ],
    }
)
FAST = BilledUsage({**COUNTS, "speed": "fast"})


def summary(client: ClaudeClient, session: str) -> Summary:
    now = datetime.now(UTC)
    files = [TranscriptFile("main", client.transcript(session).read_bytes(), now)]
    files += [TranscriptFile(path.stem, path.read_bytes(), now) for path in client.subagent_transcripts(session)]
    return extract(files, SessionKey("user", session, "g"), Served()).summary


def test_our_bill_is_the_clients(tmp_path):
    home, workspace = tmp_path / "home", tmp_path / "ws"
    home.mkdir()
    workspace.mkdir()
    sub = Script(
        "sub", [Reply([use("Bash", command="echo sub")], FULL), Reply([text("ok")], FULL)], when=asks("SUBTASK")
    )
    replies = [
        Reply([text("reading"), use("Bash", command="echo hi")], FULL),
        Reply([use("Agent", description="d", prompt="SUBTASK", subagent_type="general-purpose")], ADVISED),
        *(Reply([text("done")], FAST) for _ in range(5)),
    ]
    with ScriptedMessagesApi([sub, Script("main", replies)]) as api:
        client = ClaudeClient(home, workspace, api.url, version=versions.NEWEST)
        session = client.session("first").session_id
        found = summary(client, session)
        assert (found.bill_status, found.price_mismatches) == ("equal", [])
        assert found.list_cost_usd == pytest.approx(found.client_cost_usd, abs=1e-9)
        assert found.cache_creation_1h_tokens > 0
        assert found.web_searches > 0
        client.session("second", resume=session)  # goes on with its bill
        again = summary(client, session)
        assert again.bill_status == "equal"
        assert again.client_cost_usd > found.client_cost_usd
        client.run("-p", "third", "--resume", session, "--fork-session", "--output-format", "json")
    (fork,) = {path.stem for path in client.transcripts() if path.parent.name != "subagents"} - {session}
    assert summary(client, fork).bill_status == "forked"
