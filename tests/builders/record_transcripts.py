"""Record `tests/samples/transcripts/real` again: `python -m tests.builders.record_transcripts [VERSION …]`.

Plays `claude_scenario` with each tested client (or the versions given) and keeps its transcripts, with the machine's paths
replaced by Mira's and the times moved to one morning. Identifiers stay as the client made them.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agnes.claude_code import versions
from tests.builders import claude_scenario as scenario
from tests.builders.claude_client import ClaudeClient, records
from tests.builders.git_http_server import GitHttpServer
from tests.builders.real_transcripts import FOLDER, NAMES
from tests.builders.sample_marketplace import PLUGINS, SampleMarketplace
from tests.builders.scripted_messages_api import Script, ScriptedMessagesApi

SESSION_BEGINS = datetime(2026, 6, 30, 8, 0, tzinfo=UTC)
MINUTES = dict(zip(NAMES, (0, 20, 20, 40, 60, 60), strict=True))
"""How long after the first the first session on the same laptop begins: a fork's copies keep their times."""
COPIES = {"prompt_snapshot", "api-request-shape"}
"""Records that repeat the client's own system prompt and tools: cut to the structure, a few tools and short texts."""
LONG, SOME = 80, 2

README = f"""# Real transcripts

Written by the real Claude Code client, a folder for each version, driven by `tests/builders/claude_scenario.py` against a
scripted model. `sessions.json` of a folder has the id of each session. Record them again with
`python -m tests.builders.record_transcripts`; do not edit them by hand.

| session | how | what |
|---|---|---|
| headless | `claude -p`, resumed twice | a prompt that uses `finops:forecast`, a Bash call that fails, two tools in parallel, the agent `finops:auditor`, an MCP tool of `chartkit` and a Write that is denied; then the command `/finops:close-month`, the agent `sql-style:sql-reviewer` and the skill `chartkit:waterfall`; then a prompt that uses no plugin |
| typed | typed in a terminal | `finops:budget-variance` and a Bash call; ended by `/clear` |
| cleared | the same terminal, after `/clear` | `/finops:close-month`, then `finops:forecast` |
| busy | typed in a terminal | a prompt that is queued while a tool runs, a Bash call in the background whose end begins a turn, `/compact`, one more prompt; two responses write to the one-hour cache |
| background | `claude -p` | the agent `finops:auditor` in the background, whose end begins a turn |
| fork | `claude -p --resume … --fork-session` | one more prompt in a copy of *background* |

`<session>.jsonl` is the session, `<session>/subagents/agent-<id>.jsonl` and `.meta.json` its subagents, as the client names them.

Changed after recording: the home is `/home/mira`, the workspace `/home/mira/ws`; times are moved to the morning of
{SESSION_BEGINS:%Y-%m-%d} (UTC); texts of the client's own are cut: lines about its own skills and agents in the listings, and the
system prompts and tools in {" and ".join(sorted(COPIES))}. Identifiers are as the client made them.
"""


def _cut(value: Any) -> Any:
    """The same structure with every long text cut, and of tools the first ones."""
    if isinstance(value, str):
        return value if len(value) <= LONG else value[:LONG] + "…"
    if isinstance(value, list):
        return [_cut(part) for part in value]
    if isinstance(value, dict):
        return {name: _cut(part[:SOME] if name == "tools" else part) for name, part in value.items()}
    return value


def _cut_listing(text: str) -> str:
    """A listing of skills or agents whose lines about others than the marketplace's plugins are cut."""
    ours = tuple(f"- {plugin}:" for plugin in PLUGINS)
    return "\n".join(line if line.startswith(ours) or len(line) <= 80 else line[:79] + "…" for line in text.split("\n"))


def _texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_texts(part, change) for part in value]
    if isinstance(value, dict):
        return {name: _texts(part, change) for name, part in value.items()}
    return value


def scrubbed(line: str, paths: dict[str, str], moved: timedelta) -> str:
    """One record with paths replaced, times moved and the client's own texts cut."""
    for real, shown in paths.items():
        line = line.replace(real, shown)

    def shift(found: re.Match[str]) -> str:
        later = datetime.fromisoformat(found[0]) + moved
        return later.strftime("%Y-%m-%dT%H:%M:%S.") + f"{later.microsecond // 1000:03d}Z"

    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", shift, line)
    milliseconds = round(moved.total_seconds() * 1000)
    line = re.sub(
        r'("(?:sentAtMs|startTime)":)(\d{13})', lambda found: f"{found[1]}{int(found[2]) + milliseconds}", line
    )
    record = json.loads(line)
    kind = record["attachment"]["type"] if "attachment" in record else record.get("type")
    if kind in COPIES:
        part = "attachment" if "attachment" in record else "shape"
        record[part] = _cut(record[part])
    elif kind in {"skill_listing", "agent_listing_delta"} or (
        kind == "api-request-blob" and record["message"].get("role") == "system"
    ):
        record = {name: _texts(value, _cut_listing) for name, value in record.items()}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def keep(client: ClaudeClient, session: str, begins: datetime, folder: Path) -> None:
    """Copy one session and its subagents into `folder`, as if the first on this laptop had begun then."""
    main = client.transcript(session)
    times = [record["timestamp"] for path in client.transcripts() for record in records(path) if "timestamp" in record]
    moved = begins - datetime.fromisoformat(min(times))
    paths = {
        str(client.workspace): "/home/mira/ws",
        str(client.home): "/home/mira",
        main.parent.name: "-home-mira-ws",
        platform.release(): "6.12.0",
    }
    for found in [main, *sorted((main.parent / session).rglob("*"))]:
        if found.suffix in {".json", ".jsonl"}:
            kept = folder / found.relative_to(main.parent)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("".join(scrubbed(line, paths, moved) + "\n" for line in found.read_text().splitlines()))
            assert str(client.home.parent) not in kept.read_text(), f"{kept} still names this machine"


def play_all(scratch: Path, version: str) -> list[tuple[ClaudeClient, str]]:
    """Every session of NAMES, in order: the client on whose laptop it is, and its id."""
    SampleMarketplace(scratch / "repositories" / "marketplace.git")
    workspace = scratch / "ws"
    workspace.mkdir()
    found: list[tuple[ClaudeClient, str]] = []
    with GitHttpServer(scratch / "repositories") as git:

        def play(name: str, scripts: list[Script], act: Callable[[ClaudeClient], str | list[str]]) -> None:
            """In a home of its own, so that a terminal sees only its own transcripts."""
            with ScriptedMessagesApi(scripts) as api:
                (scratch / name).mkdir()
                # A terminal asks for titles, too: they count as nonessential traffic.
                client = ClaudeClient(
                    scratch / name,
                    workspace,
                    api.url,
                    {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": ""},
                    version=version,
                )
                scenario.prepare(client, git.url("marketplace.git"))
                sessions = act(client)
                api.assert_finished()
            found.extend((client, session) for session in ([sessions] if isinstance(sessions, str) else sessions))

        play("mira", scenario.session_scripts(workspace), scenario.play)
        play("typed", [Script("typed", scenario.typed_replies())], scenario.type_in_terminal)
        play("busy", [Script("busy", scenario.busy_replies())], scenario.type_while_busy)
        play("background", scenario.background_scripts(), scenario.play_in_background)
    return found


def record(version: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        played = play_all(Path(scratch).resolve(), version)
        folder = FOLDER / version
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, (client, session) in zip(NAMES, played, strict=True):
            keep(client, session, SESSION_BEGINS + timedelta(minutes=MINUTES[name]), folder)
    ids = {name: session for name, (_, session) in zip(NAMES, played, strict=True)}
    (folder / "sessions.json").write_text(json.dumps(ids, indent=2) + "\n")


if __name__ == "__main__":
    for version in sys.argv[1:] or versions.TESTED:
        record(version)
    (FOLDER / "README.md").write_text(README)
    print(*sorted(FOLDER.rglob("*.json*")), sep="\n")
