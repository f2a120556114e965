"""What the pages must show after one person played `claude_scenario` once, counted by hand from its script."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.builders.claude_scenario import session_scripts
from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.scripted_messages_api import Reply
from tests.builders.target import Visitor

CALLS = {
    "finops": {("skill", "forecast"): 1, ("skill", "budget-variance"): 0, ("agent", "auditor"): 1},
    "chartkit": {("skill", "waterfall"): 1, ("skill", "bar-chart"): 0},
    "sql-style": {("skill", "review-sql"): 0, ("agent", "sql-reviewer"): 1},
}
"""Of the items that have figures of their own on a plugin's page."""

PLUGIN_CALLS = {"finops": 3, "chartkit": 2, "sql-style": 1}
"""Besides those above: the command `/finops:close-month` and an MCP tool of chartkit. Built-in tools, the one that
fails among them, count for nobody."""


def tokens_of_plugins() -> dict[str, int]:
    """Tokens of the responses that were made while a plugin's skill was in force, its subagents' included."""
    replies = {script.name: script.replies for script in session_scripts(Path("ws"))}
    main = replies["main"]
    return {
        # From the response after the launch of `forecast` to that which launches `waterfall`; both subagents ran then.
        "finops": _tokens([*main[1:9], *replies["auditor"], *replies["sql-reviewer"]]),
        "chartkit": _tokens(main[9:10]),
        # Its reviewer ran under finops' command: what it used counts for both, own to the agent and carried by the command.
        "sql-style": _tokens(replies["sql-reviewer"]),
    }


def _tokens(replies: Iterable[Reply]) -> int:
    return sum(reply.usage.total for reply in replies)


def expected(*, people: int = 1) -> dict[str, Any]:
    """By plugin; `people` each played it once."""
    return {
        plugin: {
            "invocations_30d": calls * people,
            "invocations_7d": calls * people,
            "distinct_users_30d": people,
            "distinct_users_7d": people,
            "tokens_30d": tokens_of_plugins()[plugin] * people,
            "inner": {
                key: (count * people, people if count else 0) for key, count in CALLS[plugin].items()
            },
            "series": calls * people,
        }
        for plugin, calls in PLUGIN_CALLS.items()
    }  # fmt: skip


def shown(demo: DemoMarketplace, who: Visitor) -> dict[str, Any]:
    """The same of what the listing and the plugins' pages answer."""
    found = {}
    for plugin, card in who.items().items():
        detail = demo.detail(who, plugin)
        figures = detail["telemetry"] or {"daily_series": [], "invocations_30d": 0, "tokens_30d": 0}
        same = ("invocations_30d", "distinct_users_30d", "tokens_30d")
        assert all(figures.get(name, 0) == card[name] for name in same), (plugin, figures, card)
        names = ("invocations_30d", "invocations_7d", "distinct_users_30d", "distinct_users_7d", "tokens_30d")
        found[plugin] = {name: card[name] for name in names} | {
            "inner": {
                (kind, item["name"]): (item["invocations_30d"], item["distinct_users_30d"])
                for kind in ("skill", "agent")
                for item in detail[f"{kind}s"]
            },
            "series": sum(day["invocations"] for day in figures["daily_series"]),
        }
    return found
