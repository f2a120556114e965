"""What the tests of questions share: sample SQL, and a house whose few sessions can be counted by hand.

    day         who   session  what
    2026-11-10  ada   5        prompt; finops:forecast ok; chartkit:bar-chart failed
    2026-11-20  mira  1        prompt; finops:forecast ok; Bash ok
    2026-11-21  mira  2        prompt; finops:forecast failed; sql-style:review-sql ok; prompt
    2026-11-21  ben   3        prompt; the agent finops:auditor ok; Bash failed; Bash ok, by opus at 1000 + 500 tokens
    2026-11-22  ben   4        the command finops:close-month; Bash ok; finops' MCP tool query ok

Each call is one response of 10 + 20 tokens, 300 from a cache and 40 into it, unless it says otherwise. The installation's day is
2026-11-23.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.builders.answering_api import KEY
from tests.builders.house import House
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

SAMPLES = Path(__file__).parents[1] / "samples" / "ask"


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    expected: list[str]
    sql: str


def samples(name: str) -> list[Sample]:
    """Blocks of `tests/samples/ask/<name>.sql`, each under a line `-- == name | what is expected | …`."""
    text = (SAMPLES / f"{name}.sql").read_text()
    return list(_blocks(text))


def _blocks(text: str) -> Iterator[Sample]:
    for block in text.split("-- == ")[1:]:
        head, _, sql = block.partition("\n")
        name, *expected = head.split(" | ")
        yield Sample(name, expected, sql.rstrip("\n"))


def values(rows: list[dict[str, Any]]) -> list[list[Any]]:
    return [list(row.values()) for row in rows]


def expected_rows(sample: Sample) -> Any:
    return json.loads(sample.expected[0])


OPUS = "claude-opus-4-1"
ITEMS = (
    ("finops", "skill", "forecast"),
    ("finops", "agent", "auditor"),
    ("finops", "command", "close-month"),
    ("sql-style", "skill", "review-sql"),
    ("chartkit", "skill", "bar-chart"),
)


def environ(api_url: str) -> dict[str, str]:
    return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": api_url}


def fill(house: House) -> dict[str, Person]:
    """The sessions above; the people by name."""
    serve(house, "finops", "sql-style", "chartkit", items=ITEMS)
    ada = seed_admin(house)
    mira, ben = add_person(house, ada, "mira@example.com"), add_person(house, ada, "ben@example.com")

    old = _session(5, 10, 9)
    old.prompt("Forecast")
    _call(old, "Skill", skill="finops:forecast")
    _call(old, "Skill", failed=True, skill="chartkit:bar-chart")
    _send(house, ada, old)

    first = _session(1, 20, 9)
    first.prompt("Forecast")
    _call(first, "Skill", skill="finops:forecast")
    _call(first, "Bash", command="ls")
    _send(house, mira, first)

    second = _session(2, 21, 10)
    second.prompt("Again")
    _call(second, "Skill", failed=True, skill="finops:forecast")
    _call(second, "Skill", skill="sql-style:review-sql")
    second.prompt("Thanks")
    _send(house, mira, second)

    third = _session(3, 21, 14)
    third.prompt("Audit")
    _call(third, "Agent", subagent_type="finops:auditor", prompt="Audit the ledger")
    _call(third, "Bash", failed=True, command="ls")
    third.result(third.use("Bash", command="ls", tokens=(1000, 500, 0, 0), attribution=None))
    third.lines[-2] = third.lines[-2].replace('"model":"claude-sonnet-4-6"', f'"model":"{OPUS}"')
    _send(house, ben, third)

    fourth = _session(4, 22, 8)
    fourth.command("finops:close-month")
    _call(fourth, "Bash", command="ls")
    _call(fourth, "mcp__plugin_finops_ledger__query", sql="SELECT 1")
    _send(house, ben, fourth)

    run_usage(house, ada)
    return {"ada": ada, "mira": mira, "ben": ben}


def _session(number: int, day: int, hour: int) -> Transcript:
    t = Transcript(f"5d2c8a10-000{number}-4f00-9a00-00000000aaaa", at=datetime(2026, 11, day, hour, tzinfo=UTC))
    t.rng.seed(number)
    return t


def _call(t: Transcript, tool: str, *, failed: bool = False, **arguments: Any) -> None:
    t.result(t.use(tool, **arguments), is_error=failed or None)


def _send(house: House, who: Person, t: Transcript) -> None:
    upload(house, who, t.session, t.body())
