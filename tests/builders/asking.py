"""What the tests of questions share: sample SQL, and a database that may be asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
