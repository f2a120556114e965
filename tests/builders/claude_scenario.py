"""One believable session of the demonstration marketplace's plugins, in three prompts.

It holds what telemetry must tell apart: two skills, a plugin's command, agents of two plugins, an MCP tool, built-in
tools in parallel, one that fails, one that is denied, and a prompt after all of it that owes nothing to any plugin.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.builders.claude_client import TOOLS, ClaudeClient
from tests.builders.claude_terminal import ClaudeTerminal
from tests.builders.sample_marketplace import MARKETPLACE, PLUGINS
from tests.builders.scripted_messages_api import Block, Reply, Script, Usage, asks, text, use

ALLOWED = (*TOOLS, "mcp__plugin_chartkit_render__bars")
FORECAST = "Forecast Q3 spend for cost centre 410 from ledger.csv"
CLOSE = "/finops:close-month 2026-06"
THANKS = "Thanks. How many bookings are there?"
AUDIT = "Audit the queries behind cost centre 410."
REVIEW = "Review the SQL of the June close."

LEDGER = "month,cost_centre,amount\n" + "".join(
    f"2026-{month:02d},{centre},{amount}\n"
    for month in range(1, 7)
    for centre, amount in (("410", 11_800 + 310 * month), ("420", 7_250 - 40 * month))
)


def _agent(kind: str, description: str, prompt: str, *, in_background: bool = False) -> Block:
    """A call of a subagent. Without a word 2.1.197 waits for it, and 2.1.332 goes on."""
    return use("Agent", subagent_type=kind, description=description, prompt=prompt, run_in_background=in_background)


def main_replies(workspace: Path) -> list[Reply]:
    """The session's own turns; the tokens differ so that sums tell which were counted."""
    ledger = str(workspace / "ledger.csv")
    return [
        Reply(
            [text("I will use the forecast skill."), use("Skill", skill="finops:forecast", args="ledger.csv 410")],
            Usage(1200, 80, 0, 18_000),
        ),
        Reply([use("Bash", command="cat ledger-2025.csv", description="Last year")], Usage(40, 30, 18_000, 900)),
        Reply(
            [
                text("No history of last year. Reading this year's."),
                use("Bash", command="head -3 ledger.csv", description="Columns of the ledger"),
                use("Read", file_path=ledger),
            ],
            Usage(50, 90, 18_900, 300),
        ),
        Reply(
            [_agent("finops:auditor", "Audit the queries", AUDIT)],
            Usage(60, 70, 19_200, 400),
        ),
        Reply([use("mcp__plugin_chartkit_render__bars", values={"July": 13_970, "August": 14_280})], Usage(70, 45)),
        Reply(
            [use("Write", file_path=str(workspace / "forecast.md"), content="July 13,970\n")],
            Usage(75, 40, 19_600, 100),
        ),
        Reply([text("Q3 spend of 410 will be about **42,770**.")], Usage(80, 120, 19_700, 50)),
        # CLOSE
        Reply(
            [_agent("sql-style:sql-reviewer", "Review the SQL", REVIEW)],
            Usage(300, 55, 19_800, 600),
        ),
        Reply([use("Skill", skill="chartkit:waterfall")], Usage(90, 25, 20_400, 80)),
        Reply([text("June: two accruals without an invoice, owner Ines.")], Usage(95, 110, 20_500, 60)),
        # THANKS
        Reply([use("Bash", command="wc -l ledger.csv", description="Count")], Usage(30, 20, 20_600, 40)),
        Reply([text("Twelve.")], Usage(35, 5, 20_640, 20)),
    ]


def session_scripts(workspace: Path) -> list[Script]:
    ledger = str(workspace / "ledger.csv")
    return [
        Script(
            "auditor",
            [
                Reply(
                    [use("Bash", command="grep -c 410 ledger.csv", description="Rows of 410")], Usage(400, 33, 0, 2_500)
                ),
                Reply([use("Bash", command="cat queries.sql", description="The queries")], Usage(20, 22, 2_500, 60)),
                Reply([text("There are no queries to audit: queries.sql is missing.")], Usage(25, 44, 2_560, 70)),
            ],
            when=asks(AUDIT),
        ),
        Script(
            "sql-reviewer",
            [
                Reply([use("Read", file_path=ledger)], Usage(350, 21, 0, 1_900)),
                Reply([text("Nothing to review: no SQL changed.")], Usage(15, 18, 1_900, 30)),
            ],
            when=asks(REVIEW),
        ),
        Script("main", main_replies(workspace)),
    ]


TYPED = ("Why is marketing over budget in May?", "/clear", "/finops:close-month 2026-05", "And the forecast?")
"""What a person types into a terminal; `/clear` begins a second session."""


def typed_replies() -> list[Reply]:
    return [
        Reply([use("Skill", skill="finops:budget-variance")], Usage(900, 40, 0, 17_000)),
        Reply([use("Bash", command="head -3 ledger.csv", description="Bookings")], Usage(60, 30, 17_000, 200)),
        Reply([text("Two April invoices were booked in May.")], Usage(70, 60, 17_200, 90)),
        Reply([text("Every cost centre has bookings; nothing is open.")], Usage(800, 45, 0, 16_500)),
        Reply([use("Skill", skill="finops:forecast", args="ledger.csv")], Usage(50, 25, 16_500, 120)),
        Reply([text("June will be close to budget.")], Usage(55, 35, 16_620, 80)),
    ]


def type_in_terminal(client: ClaudeClient) -> list[str]:
    """Type TYPED against `typed_replies`; the ids of the two sessions, in order."""
    sessions: list[str] = []

    def begun() -> list[str]:
        return [path.stem for path in client.transcripts() if path.stem not in sessions]

    with ClaudeTerminal(client) as terminal:
        for line in TYPED:
            ended = _times(client, TURN_ENDED)
            terminal.type(line)
            if line == "/clear":
                terminal.wait_until(begun)
            else:
                terminal.wait_until(lambda before=ended: _times(client, TURN_ENDED) > before)
            sessions += begun()
        terminal.type("/exit")
        terminal.wait_for_end()
    return sessions


TURN_ENDED = '"subtype":"turn_duration"'


def _times(client: ClaudeClient, text: str) -> int:
    """How often the transcripts of this laptop hold a text."""
    return sum(path.read_text().count(text) for path in client.transcripts())


BUSY = (
    "How many bookings are there?",
    "And which columns?",
    "Run the checks in the background.",
    "/compact",
    "Thanks.",
)
"""What a person types into a terminal. The second comes while a tool of the first runs, so the client queues it."""


def busy_replies() -> list[Reply]:
    return [
        Reply(
            [use("Bash", command="sleep 3; wc -l ledger.csv", description="Count slowly")], Usage(700, 25, 0, 15_000)
        ),
        Reply([text("Thirteen lines; month, cost centre, amount.")], Usage(45, 20, 15_000, 150)),
        Reply(
            [use("Bash", command="sleep 2; echo balanced", description="Checks", run_in_background=True)],
            Usage(50, 35, 15_150, 60, cache_1h=60),
        ),
        Reply([text("The checks are running.")], Usage(40, 10, 15_210, 80)),
        Reply([text("The checks ended: the ledger is balanced.")], Usage(55, 15, 15_290, 70)),
        Reply([text("<summary>They counted the bookings and checked the ledger.</summary>")], Usage(2_000, 65, 15_360)),
        Reply([text("You are welcome.")], Usage(300, 6, 0, 13_000, cache_1h=13_000)),
    ]


def type_while_busy(client: ClaudeClient) -> str:
    """Type BUSY against `busy_replies`: a queued prompt, a background command and a compaction; the session's id."""
    ask, queued, background, compact, thanks = BUSY
    with ClaudeTerminal(client) as terminal:
        terminal.type(ask)
        terminal.wait_until(lambda: _times(client, "sleep 3; wc"))
        terminal.type(queued)
        terminal.wait_until(lambda: _times(client, TURN_ENDED) == 1)
        terminal.type(background)
        terminal.wait_until(lambda: _times(client, TURN_ENDED) == 3)  # the second ends a turn that nobody began
        terminal.type(compact)
        terminal.wait_until(lambda: _times(client, "Compacted"))
        terminal.type(thanks)
        terminal.wait_until(lambda: _times(client, TURN_ENDED) == 4)
        terminal.type("/exit")
        terminal.wait_for_end()
    (session,) = {path.stem for path in client.projects.glob("*/*.jsonl")}
    return session


DELEGATE = "Have the queries behind cost centre 410 audited while I go on."
ASIDE = "Name the cost centres."
"""Asked in a fork of the session."""


def background_scripts() -> list[Script]:
    """A subagent in the background, whose end begins a turn of its own; then a question to a fork of the session."""
    return [
        Script(
            "auditor",
            [
                Reply([use("Bash", command="sleep 2; grep -c 410 ledger.csv")], Usage(410, 31, 0, 2_400)),
                Reply([text("Six rows, no queries.")], Usage(22, 12, 2_400, 50)),
            ],
            when=asks(AUDIT),
        ),
        Script(
            "main",
            [
                Reply([_agent("finops:auditor", "Audit", AUDIT, in_background=True)], Usage(650, 60, 0, 14_000)),
                Reply([text("The auditor is at work.")], Usage(35, 11, 14_000, 90)),
                Reply([text("The auditor found no queries.")], Usage(45, 14, 14_090, 110)),
                Reply([text("410 and 420.")], Usage(30, 8, 14_200, 40)),
            ],
        ),
    ]


def play_in_background(client: ClaudeClient) -> list[str]:
    """Play `background_scripts`; the ids of the session and of its fork."""
    session = client.session(DELEGATE, allowed_tools=ALLOWED).session_id
    done = client.run("-p", ASIDE, "--output-format", "json", "--resume", session, "--fork-session")
    return [session, json.loads(done.stdout)["session_id"]]


def prepare(client: ClaudeClient, marketplace: str | Path, name: str = MARKETPLACE) -> None:
    """Install all three plugins from `marketplace` and put the ledger into the workspace."""
    (client.workspace / "ledger.csv").write_text(LEDGER)
    client.plugin_marketplace_add(marketplace)
    for plugin in PLUGINS:
        client.plugin_install(f"{plugin}@{name}")


def play(client: ClaudeClient) -> str:
    """Play the three prompts as one session against `session_scripts`; the session's id."""
    session = client.session(FORECAST, allowed_tools=ALLOWED).session_id
    for prompt in (CLOSE, THANKS):
        assert client.session(prompt, allowed_tools=ALLOWED, resume=session).session_id == session
    return session
