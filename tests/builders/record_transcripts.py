"""Record `tests/samples/transcripts/real` again: `python -m tests.builders.record_transcripts`.

Plays `claude_scenario` with the pinned client and keeps its transcripts, with the machine's paths replaced by Mira's
and the times moved to one morning. Identifiers stay as the client made them.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agnes.claude_code import versions
from tests.builders.claude_client import ClaudeClient, records
from tests.builders.claude_scenario import play, prepare, session_scripts, type_in_terminal, typed_replies
from tests.builders.git_http_server import GitHttpServer
from tests.builders.sample_marketplace import SampleMarketplace
from tests.builders.scripted_messages_api import Script, ScriptedMessagesApi

FOLDER = Path(__file__).parents[1] / "samples" / "transcripts" / "real"
SESSION_BEGINS = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
LISTINGS = {"agent_listing_delta", "skill_listing"}
"""Attachments with the client's own prose, pages of it, which tells nothing about use."""

README = f"""# Real transcripts

Written by the Claude Code client **{versions.OLDEST}**, driven by `tests/builders/claude_scenario.py` against a scripted model.
Record them again with `python -m tests.builders.record_transcripts`; do not edit them by hand.

| session | how | what |
|---|---|---|
| `{{headless}}` | `claude -p`, resumed twice | a prompt that uses `finops:forecast`, a Bash call that fails, two tools in parallel, the agent `finops:auditor`, an MCP tool of `chartkit` and a Write that is denied; then the command `/finops:close-month`, the agent `sql-style:sql-reviewer` and the skill `chartkit:waterfall`; then a prompt that owes nothing to a plugin |
| `{{typed}}` | typed in a terminal | `finops:budget-variance` and a Bash call; ended by `/clear` |
| `{{cleared}}` | the same terminal, after `/clear` | `/finops:close-month`, then `finops:forecast` |

`<session>.jsonl` is the session, `<session>/subagents/agent-<id>.jsonl` and `.meta.json` its subagents, as the client names them.

Changed after recording: the home is `/home/mira`, the workspace `/home/mira/ws`; times are moved to the morning of
{SESSION_BEGINS:%Y-%m-%d} (UTC); the long listings of agents and skills are cut. Identifiers are as the client made them.
"""


def scrubbed(line: str, paths: dict[str, str], shift: Callable[[str], str]) -> str:
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


def keep(client: ClaudeClient, session: str, begins: datetime) -> None:
    """Copy one session and its subagents into FOLDER, as if it had begun then."""
    main = client.transcript(session)
    first = min(record["timestamp"] for record in records(main) if "timestamp" in record)
    moved = begins - datetime.fromisoformat(first)

    def shift(time: str) -> str:
        later = datetime.fromisoformat(time) + moved
        return later.strftime("%Y-%m-%dT%H:%M:%S.") + f"{later.microsecond // 1000:03d}Z"

    paths = {
        str(client.workspace): "/home/mira/ws",
        str(client.home): "/home/mira",
        main.parent.name: "-home-mira-ws",
    }
    for found in [main, *sorted((main.parent / session).rglob("*"))]:
        if found.suffix in {".json", ".jsonl"}:
            kept = FOLDER / found.relative_to(main.parent)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(scrubbed(line, paths, shift) + "\n" for line in found.read_text().splitlines()))
            assert str(client.home.parent) not in kept.read_text(), f"{kept} still names this machine"


def record(scratch: Path) -> None:
    home, workspace = scratch / "home", scratch / "ws"
    home.mkdir()
    workspace.mkdir()
    SampleMarketplace(scratch / "repositories" / "marketplace.git")
    with (
        GitHttpServer(scratch / "repositories") as git,
        ScriptedMessagesApi(session_scripts(workspace)) as headless_api,
        ScriptedMessagesApi([Script("typed", typed_replies())]) as typed_api,
    ):
        headless = ClaudeClient(home, workspace, headless_api.url)
        prepare(headless, git.url("marketplace.git"))
        sessions = [play(headless)]
        headless_api.assert_finished()
        # Its own folder, so that the terminal sees only its own transcripts; titles count as nonessential traffic.
        (scratch / "desk").mkdir()
        typed = ClaudeClient(
            scratch / "desk", workspace, typed_api.url, {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""}
        )
        prepare(typed, git.url("marketplace.git"))
        sessions += type_in_terminal(typed)
        typed_api.assert_finished()

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for minutes, (client, session) in zip(
        (0, 20, 35), zip((headless, typed, typed), sessions, strict=True), strict=True
    ):
        keep(client, session, SESSION_BEGINS + timedelta(minutes=minutes))
    names = dict(zip(("headless", "typed", "cleared"), sessions, strict=True))
    (FOLDER / "README.md").write_text(README.format(**names))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder).resolve())
    print(*sorted(FOLDER.rglob("*.json*")), sep="\n")
