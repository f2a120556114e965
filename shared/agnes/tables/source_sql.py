"""The SQL that a source is asked in, made of a table's fields. Identifiers and literals are quoted by the source's dialect."""

# ruff: noqa: S608 (names and literals are quoted by the dialect)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from agnes.tables import rules
from agnes.tables.model import Scalar, Table

OPERATORS = {"eq": "=", "ne": "<>", "gt": ">", "ge": ">=", "lt": "<", "le": "<="}


@dataclass(frozen=True, slots=True)
class Dialect:
    quote: str = '"'
    escapes: bool = False
    """Whether a backslash in a text escapes what follows."""

    def name(self, name: str) -> str:
        if self.escapes:
            return self.quote + name.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote) + self.quote
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote

    def literal(self, value: Scalar) -> str:
        if isinstance(value, bool):
            return "TRUE" if value else "FALSE"
        if isinstance(value, int | float):
            return repr(value)
        text = value.replace("\\", "\\\\").replace("'", "\\'") if self.escapes else value.replace("'", "''")
        return f"'{text}'"


ANSI = Dialect()
BIGQUERY = Dialect("`", escapes=True)


def dialect_of(source_type: str) -> Dialect:
    """BigQuery has its own; the others, and DuckDB, follow the standard."""
    return BIGQUERY if source_type == "bigquery" else ANSI


def relation(table: Table) -> str:
    """The table in its source, or the query that it is made of, as it stands behind FROM."""
    dialect = dialect_of(table.source_type)
    if table.source_query is not None:
        return f"({table.source_query.strip().rstrip(';')}\n) AS q"
    parts = [*(table.bucket.split(".") if table.bucket else []), table.source_table]
    return ".".join(map(dialect.name, parts))


def conditions(table: Table, today: date) -> list[str]:
    """Of the table's own filters, with placeholders as dates. Raises TableInvalid."""
    dialect = dialect_of(table.source_type)
    found = []
    for each in table.where_filters:
        column = dialect.name(each.column)
        values = [dialect.literal(rules.resolved(value, today)) for value in each.values]
        if len(values) > 1 and each.operator in ("eq", "ne"):
            found.append(f"{column} {'NOT ' if each.operator == 'ne' else ''}IN ({', '.join(values)})")
        else:
            found.append("(" + " OR ".join(f"{column} {OPERATORS[each.operator]} {value}" for value in values) + ")")
    return found


def select(table: Table, where: Iterable[str] = ()) -> str:
    wanted = list(where)
    return f"SELECT * FROM {relation(table)}" + (f" WHERE {' AND '.join(wanted)}" if wanted else "")


def between(table: Table, column: str, begin: date, end: date) -> list[str]:
    """Days from `begin` on and before `end`."""
    dialect = dialect_of(table.source_type)
    name = dialect.name(column)
    return [
        f"{name} >= {dialect.literal(begin.isoformat())}",
        f"{name} < {dialect.literal(end.isoformat())}",
    ]
