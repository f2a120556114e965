"""Record `tests/samples/transcripts/real` again: `python -m tests.builders.record_transcripts`.

Plays `claude_scenario` with the pinned client and keeps its transcripts, with the machine's paths replaced by Mira's
and the times moved to one morning. Identifiers stay as the client made them.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agnes_local.claude_install import CLAUDE_VERSION
from tests.builders.claude_client import ClaudeClient
from tests.builders.claude_scenario import play, prepare, session_scripts
from tests.builders.git_http_server import GitHttpServer
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.scripted_messages_api import ScriptedMessagesApi

FOLDER = Path(__file__).parents[1] / "samples" / "transcripts" / "real"
SESSION_BEGINS = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
LISTINGS = {"agent_listing_delta", "skill_listing"}
"""Attachments with the client's own prose, pages of it, which tells nothing about use."""

README = f"""# Real transcripts

Written by the Claude Code client **{CLAUDE_VERSION}**, driven by `tests/builders/claude_scenario.py` against a scripted model.
Record them again with `python -m tests.builders.record_transcripts`; do not edit them by hand.

- `<session>.jsonl`: three prompts of one session. A typed prompt that uses `finops:forecast`, a Bash call that fails, two tools
  in parallel, the agent `finops:auditor`, an MCP tool of `chartkit` and a Write that is denied; then the command
  `/finops:close-month`, the agent `sql-style:sql-reviewer` and the skill `chartkit:waterfall`; then a prompt that owes nothing
  to a plugin.
- `<session>/subagents/agent-<id>.jsonl` and `.meta.json`: its two subagents, as the client names them.

Changed after recording: the home is `/home/mira`, the workspace `/home/mira/ws`, times are moved so that the session begins at
{SESSION_BEGINS:%Y-%m-%dT%H:%M:%SZ}, and the long listings of agents and skills are cut.
"""


def scrubbed(line: str, paths: dict[str, str], shift: Any) -> str:
    """One record with paths replaced, times moved and listings cut."""
    for real, shown in paths.items():
        line = line.replace(real, shown)
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lambda found: shift(found[0]), line)
    record = json.loads(line)
    attachment = record.get("attachment") or {}
    if attachment.get("type") in LISTINGS:
        for name, value in attachment.items():
            if isinstance(value, str) and len(value) > 200:
                attachment[name] = value[:200] + "…"
            elif isinstance(value, list) and name == "addedLines":
                attachment[name] = [text[:80] for text in value]
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def record(scratch: Path) -> None:
    home, workspace = scratch / "home", scratch / "ws"
    home.mkdir()
    workspace.mkdir()
    SampleMarketplace(scratch / "repositories" / "marketplace.git")
    with (
        GitHttpServer(scratch / "repositories") as git,
        ScriptedMessagesApi(session_scripts(workspace)) as api,
    ):
        client = ClaudeClient(home, workspace, api.url)
        prepare(client, git.url("marketplace.git"))
        session = play(client)
        api.assert_finished()

    main = client.transcript(session)
    begin = next(json.loads(line)["timestamp"] for line in main.read_text().splitlines() if "timestamp" in line)
    moved = SESSION_BEGINS - datetime.fromisoformat(begin)

    def shift(time: str) -> str:
        later = datetime.fromisoformat(time) + moved
        return later.strftime("%Y-%m-%dT%H:%M:%S.") + f"{later.microsecond // 1000:03d}Z"

    encoded = main.parent.name
    paths = {str(workspace): "/home/mira/ws", str(home): "/home/mira", encoded: "-home-mira-ws"}
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / "README.md").write_text(README)
    for found in [main, *sorted((main.parent / session).rglob("*"))]:
        if found.suffix in {".json", ".jsonl"}:
            kept = FOLDER / found.relative_to(main.parent)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(scrubbed(line, paths, shift) + "\n" for line in found.read_text().splitlines()))
            assert str(scratch) not in kept.read_text(), f"{kept} still names this machine"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder).resolve())
    print(*sorted(FOLDER.rglob("*.json*")), sep="\n")
