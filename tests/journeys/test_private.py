"""What `agnes init` puts into a workspace, with the real Claude Code client: hooks, the status line and /agnes-private."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tests.builders.claude_terminal import ClaudeTerminal
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.laptop import Laptop
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text

pytestmark = pytest.mark.client

LOCK = "agnes-private"


@pytest.fixture
def laptop(demo: DemoMarketplace, tmp_path: Path, claude_version: str) -> Laptop:
    laptop = Laptop.new(demo.target, tmp_path / "mira", claude_version=claude_version)
    laptop.login(demo.person("mira").make_token()["token"])
    laptop.agnes("init")
    return laptop


def uploaded(laptop: Laptop, within_seconds: float = PATIENCE_SECONDS) -> str:
    """The log of what was sent, once the hook's push has written its own."""
    log, deadline = laptop.workspace / ".claude" / "agnes-push.log", time.monotonic() + within_seconds
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert log.exists(), "SessionEnd started no push"
    sent = laptop.workspace / ".claude" / "agnes-sessions-uploaded.txt"
    return sent.read_text() if sent.exists() else ""


def test_a_session_is_sent_and_a_private_one_is_not(laptop: Laptop):
    with ScriptedMessagesApi([Script("main", [Reply([text("Hello.")])])]) as api:
        open_session = laptop.claude(api.url).session("Hello").session_id
    assert open_session in uploaded(laptop)
    (laptop.workspace / ".claude" / "agnes-push.log").unlink()

    with ScriptedMessagesApi([Script("main", [Reply([text("It is private.")]), Reply([text("Fine.")])])]) as api:
        client = laptop.claude(api.url)
        private = client.session("/agnes-private").session_id
        client.session("A secret", resume=private)
    assert private not in uploaded(laptop)
    listed = (laptop.home / "agnes" / "agnes-sessions-private.txt").read_text()
    assert listed.startswith(private)
    assert json.loads(laptop.agnes("push", "--json", "--scan").stdout)["private_skipped"]


def test_the_status_line_shows_a_lock_as_soon_as_the_session_is_private(laptop: Laptop):
    with ScriptedMessagesApi([Script("typed", [Reply([text("It is private.")])])]) as api:
        client = laptop.claude(api.url, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="")
        with ClaudeTerminal(client) as terminal:
            assert LOCK.encode() not in terminal.shown
            terminal.type("/agnes-private")
            terminal.wait_until(lambda: "\N{LOCK}".encode() in terminal.shown)
            terminal.type("/exit")
