"""Search: what is found, in which order, and how long it takes at size."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import duckdb
import pytest

from agnes.knowledge.search import Index, document
from tests.unit.knowledge.test_visibility import drawn

NOW = datetime(2026, 11, 30, tzinfo=UTC)


def index(*texts: tuple[str, str]) -> Index:
    from dataclasses import replace

    base = drawn(random.Random(1), 0)
    return Index([document(replace(base, title=title, content=content, domain="")) for title, content in texts])


FACTS = index(
    ("Net revenue", "Net revenue excludes refunds and chargebacks."),
    ("Gross revenue", "The sum of invoices."),
    ("Umsätze in der Türkei", "EMEA enthält die Türkei."),
    ("Refunds", "A refund is booked in the month of the order."),
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("net revenue", [0]),
        ("revenue", [0, 1]),
        ("refunds", [3, 0]),
        ("REFUND", [3, 0]),
        ("umsatze turkei", [2]),
        ("Türkei", [2]),
        ("revnue", [0, 1]),
        ("chargebakcs", [0]),
        ("charge", [0]),
        ("revenue invoices", [1]),
        ("zebra", []),
        ("", []),
        ("'; DROP TABLE", []),
    ],
)
def test_what_is_found(query: str, found: list[int]) -> None:
    scores = FACTS.search(query)
    assert sorted(scores, key=lambda number: (-scores[number], number)) == found


def test_scores_are_those_of_the_formula() -> None:
    """BM25 of one word against the same sum in SQL."""
    rng = random.Random(4)
    words = [f"word{number:02}" for number in range(40)]
    texts = [" ".join(rng.choices(words, k=rng.randint(3, 30))) for _ in range(60)]
    made = index(*(("", text) for text in texts))
    db = duckdb.connect()
    db.execute("CREATE TABLE d (n INTEGER, t VARCHAR)")
    db.executemany("INSERT INTO d VALUES (?, ?)", list(enumerate(texts)))
    for word in words[:10]:
        rows = db.execute(
            """WITH s AS (SELECT n, string_split(t, ' ') AS w FROM d), m AS (SELECT avg(len(w)) AS mean, count(*) AS total FROM s),
            f AS (SELECT n, len(list_filter(w, lambda x: x = $word)) AS tf, len(w) AS size FROM s),
            df AS (SELECT count(*) AS hits FROM f WHERE tf > 0)
            SELECT n, ln(1 + (total - hits + 0.5) / (hits + 0.5)) * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * size / mean))
            FROM f, m, df WHERE tf > 0""",
            {"word": word},
        ).fetchall()
        scores = made.search(word)
        assert scores == pytest.approx(dict(rows))
