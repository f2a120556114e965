"""A month of believable sessions of the demonstration marketplace's plugins, as transcripts.

The records have the form that Claude Code 2.1 writes (docs/claude-code-client.md); texts are short, figures are drawn
from a seed, so that the same day gives the same month.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any

MODELS = (("claude-sonnet-4-6", 6), ("claude-opus-4-7", 2), ("claude-haiku-4-5-20251001", 3))

USES = (
    # kind, what is called, how often in comparison
    ("skill", "finops:forecast", 9),
    ("skill", "finops:budget-variance", 6),
    ("command", "finops:close-month", 4),
    ("agent", "finops:auditor", 3),
    ("skill", "sql-style:review-sql", 8),
    ("agent", "sql-style:sql-reviewer", 2),
    ("skill", "chartkit:bar-chart", 5),
    ("skill", "chartkit:waterfall", 3),
)

PROMPTS = (
    "Why did weekly orders drop in region North?",
    "Forecast the travel budget for the coming quarter.",
    "Review this query before I send it to the warehouse.",
    "Show how last month's total became this month's.",
    "Close the month and tell me what is missing.",
)


@dataclass
class _Transcript:
    """Records of one session, each a little later than the one before."""

    rng: Random
    at: datetime
    cwd: str
    model: str
    session_id: str = ""
    records: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session_id = self.new_id()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self.rng.getrandbits(128), version=4))

    def add(self, kind: str, message: dict[str, Any], **more: Any) -> None:
        self.at += timedelta(seconds=self.rng.uniform(1.5, 45))
        self.records.append(
            {
                "type": kind,
                "uuid": self.new_id(),
                "parentUuid": self.records[-1]["uuid"] if self.records else None,
                "sessionId": self.session_id,
                "timestamp": self.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "cwd": self.cwd,
                "version": "2.1.197",
                "gitBranch": "main",
                "userType": "external",
                "isSidechain": False,
                "message": message,
                **more,
            }
        )

    def prompt(self, text: str) -> None:
        self.add("user", {"role": "user", "content": text})

    def answer(self, *blocks: dict[str, Any], attribution: dict[str, str] | None = None) -> None:
        usage = {
            "input_tokens": self.rng.randint(3, 40),
            "output_tokens": self.rng.randint(30, 900),
            "cache_read_input_tokens": self.rng.randint(8_000, 60_000),
            "cache_creation_input_tokens": self.rng.randint(0, 2_500),
        }
        message = {
            "id": f"msg_{self.new_id()[:18]}",
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": list(blocks),
            "usage": usage,
        }
        self.add("assistant", message, **(attribution or {}))

    def call(self, name: str, attribution: dict[str, str] | None = None, *, fails: bool = False, **given: Any) -> None:
        use = f"toolu_{self.new_id()[:20]}"
        self.answer({"type": "tool_use", "id": use, "name": name, "input": given}, attribution=attribution)
        content = "Exit code 1\nno such column: regoin" if fails else "done"
        result = {"type": "tool_result", "tool_use_id": use, "content": content, "is_error": fails}
        self.add("user", {"role": "user", "content": [result]})


def month(people: list[str], *, today: date, days: int = 30, seed: int = 7) -> Iterator[tuple[str, str, bytes]]:
    """`(e-mail, session id, transcript)` of each session, the oldest day first.

    Use grows over the month, is lower at weekends, and differs from person to person.
    """
    rng = Random(seed)
    keenness = {email: rng.uniform(0.25, 1.0) for email in people}
    for back in range(days, -1, -1):
        day = today - timedelta(days=back)
        weekend = day.weekday() >= 5
        for email in people:
            eagerness = keenness[email] * (0.55 + 0.45 * (days - back) / days) * (0.15 if weekend else 1.0)
            for _ in range(3):
                if rng.random() < eagerness * 0.6:
                    yield (email, *_session(rng, day, email))


def _session(rng: Random, day: date, email: str) -> tuple[str, bytes]:
    start = datetime.combine(day, time(rng.randint(0, 5), rng.randint(0, 59)), UTC)
    [model] = rng.choices([m for m, _ in MODELS], [w for _, w in MODELS])
    script = _Transcript(rng, start, f"/home/{email.partition('@')[0]}/work", model)
    for _ in range(rng.randint(1, 4)):
        [(kind, called, _)] = rng.choices(USES, [weight for *_, weight in USES])
        plugin, _, item = called.partition(":")
        attribution = {"attributionPlugin": plugin}
        if kind == "command":
            tags = f"<command-message>{called}</command-message>\n<command-name>/{called}</command-name>\n<command-args></command-args>"
            script.prompt(tags)
        elif kind == "agent":
            script.prompt(rng.choice(PROMPTS))
            script.call("Task", subagent_type=called, description=item, prompt="Check the numbers.")
            continue
        else:
            script.prompt(rng.choice(PROMPTS))
            script.call("Skill", skill=called)
            attribution["attributionSkill"] = called
        for _ in range(rng.randint(0, 3)):
            tool = rng.choice(("Bash", "Read", "Edit", "Grep"))
            script.call(tool, attribution, fails=rng.random() < 0.07, description="a step")
        script.answer({"type": "text", "text": "Here is what I found."}, attribution=attribution)
    body = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in script.records)
    return script.session_id, body.encode()
