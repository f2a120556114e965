"""What the model is told: its task, the tables as the catalogue has them, and a few worked examples."""

from __future__ import annotations

from datetime import date

from agnes.telemetry.ask.database import EVENTS, Database, Table

SCHEMA = {
    "type": "object",
    "properties": {
        "sql": {"type": "string", "description": "Exactly one DuckDB SELECT; empty if these tables cannot answer."},
        "rationale": {"type": "string", "description": "One or two sentences: what the SQL counts, and over what."},
    },
    "required": ["sql", "rationale"],
    "additionalProperties": False,
}

EXAMPLES = (
    (
        "Which plugins were used most in the last 30 days?",
        (
            "SELECT plugin, source, invocations_30d, distinct_users_30d FROM usage_marketplace_item_window "
            "WHERE kind = 'plugin' ORDER BY invocations_30d DESC, plugin LIMIT 20"
        ),
    ),
    (
        "How many people used Claude Code each day in the last two weeks?",
        (
            "SELECT day, count(DISTINCT user_id) AS people FROM usage_events WHERE day > DATE '{today}' - 14 "
            "GROUP BY day ORDER BY day"
        ),
    ),
    (
        "Who spent most tokens this month, and on which model?",
        (
            "SELECT u.email, e.model, sum(e.input_tokens + e.output_tokens) AS tokens FROM usage_events e "
            "JOIN usage_users u USING (user_id) WHERE e.event_type = 'message' AND e.day >= date_trunc('month', DATE '{today}') "
            "GROUP BY ALL ORDER BY tokens DESC, u.email LIMIT 20"
        ),
    ),
    (
        "Which tools fail most?",
        (
            "SELECT tool_name, sum(invocations) AS calls, sum(errors) AS failed, "
            "round(100.0 * sum(errors) / sum(invocations), 1) AS failed_pct FROM usage_tool_daily "
            "GROUP BY tool_name HAVING calls >= 10 ORDER BY failed_pct DESC, calls DESC LIMIT 20"
        ),
    ),
)

_TASK = """\
You translate a question about how an organisation uses Claude Code into exactly one DuckDB SELECT.

Rules:
- One SELECT (WITH is fine), one optional semicolon at its end. Nothing that writes, also not inside of WITH. No COPY, \
ATTACH, PRAGMA, SET, CALL, EXPLAIN, no function that reads files, no parameter.
- Only the tables below, only their columns. Never guess a column. If they cannot answer, leave sql empty and say why in \
rationale.
- Prefer the daily and window tables for counts of marketplace items; usage_session_summary for sessions; usage_events \
for everything finer.
- Times are UTC. Today is {today}; write it as DATE '{today}'. Date arithmetic as in DATE '{today}' - 7 or \
date_trunc('week', day). A window of N days is today and the N - 1 days before it.
- Say who by e-mail address (join usage_users), unless ids are asked for.
- Names of plugins, skills and people: compare with ILIKE when the question may have written them differently.
- Give columns short readable aliases. Order the rows. QUALIFY needs its GROUP BY columns named, not ALL. LIMIT 100 unless the question says how many.
- rationale: one or two sentences on what is counted and over which span. It is shown beside the table.
"""


def instructions(database: Database, *, today: date) -> str:
    """The system prompt."""
    examples = "\n\n".join(f"Question: {asked}\nsql: {sql}" for asked, sql in examples_of(today))
    tables = "\n\n".join(_described(table, database) for table in database.tables)
    return f"{_TASK.format(today=today)}\nTables:\n\n{tables}\n\nExamples:\n\n{examples}\n"


def examples_of(today: date) -> list[tuple[str, str]]:
    return [(asked, sql.format(today=today)) for asked, sql in EXAMPLES]


def _described(table: Table, database: Database) -> str:
    span = ""
    if table.name == EVENTS:
        span = f" Days from {database.events_since} on." if database.events_since else " There are none yet."
    lines = [f"{table.name}: {table.comment}{span}"]
    lines += [f"  {c.name} {c.type}{f': {c.comment}' if c.comment else ''}" for c in table.columns]
    return "\n".join(lines)
