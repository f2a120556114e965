"""An export has every line of the audit once, oldest first, wherever it is stored and however small the parts are."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from agnes.audit import export
from agnes.audit.export import ExportQuery, InvalidDays
from agnes.kernel.chain import digest_of
from agnes.kernel.state import Change
from tests.unit.audit.test_archive import DAY, NOW, Archive

pytestmark = pytest.mark.slow


class Exporting(Archive):
    def parts(
        self,
        kind: str = "json",
        *,
        days: int = 12,
        max_lines: int = 1000,
        max_objects: int = 2000,
        until: date | None = None,
    ) -> list[bytes]:
        found, query = [], ExportQuery(format=kind, since=(NOW - days * DAY).date(), until=until or NOW.date())
        while True:
            made = export.export(
                self.state, self.memory, query, now=self.clock.now(), max_lines=max_lines, max_objects=max_objects
            )
            assert made.lines <= max_lines
            found.append(made.body)
            if made.following is None:
                return found
            query = query.model_copy(update={"after_at": made.following.ts, "after_id": made.following.id})

    def lines(self, **how) -> list[dict]:
        found = [json.loads(line) for line in b"".join(self.parts(**how)).splitlines()]
        return [line for line in found if not line["action"].startswith("audit.")]


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """Lines of nine days in all places; those of the first six are archived, some twice."""
    found = Exporting(tmp_path_factory.mktemp("made"))
    for number in range(9, 0, -1):
        for place in ("people", "stack", "object"):
            found.line(place, NOW - number * DAY, f"{place}{number}")
    before = found.state.generation("people")
    found.run()
    found.state.restore("people", before)  # so lines are in the file and in the archive
    found.line("object", NOW, "=HYPERLINK(1)")
    yield found
    found.state.close()


def words(lines: list[dict]) -> list[str]:
    return [json.loads(line["params"])["word"] for line in lines if line["action"] == "test.line"]


@pytest.mark.parametrize("max_lines", [1, 2, 5, 1000])
def test_every_line_once_and_oldest_first(lived, max_lines):
    lines = lived.lines(max_lines=max_lines)
    places = [(line["at"], line["id"]) for line in lines]
    assert places == sorted(set(places))
    expected = {f"{place}{number}" for number in range(1, 10) for place in ("people", "stack", "object")}
    assert sorted(words(lines)) == sorted({*expected, "=HYPERLINK(1)"})


def test_a_span_of_days(lived):
    assert {word[-1] for word in words(lived.lines(days=7, until=(NOW - 5 * DAY).date()))} == {"7", "6", "5"}
    with pytest.raises(InvalidDays):
        lived.lines(days=1, until=(NOW - 5 * DAY).date())


def test_a_long_time_without_lines_is_passed(lived):
    assert len(words(lived.lines(days=4000))) == 28
    assert len(words(lived.lines(days=40, until=date(2027, 6, 1)))) == 28


def test_digests_can_be_computed_again_from_an_export(lived):
    chained = [line for line in lived.lines() if line["seq"] is not None]
    assert len(chained) > 20
    for line in chained:
        said = line | {"at": datetime.fromisoformat(line["at"])}
        assert line["digest"] == digest_of(line["chain"], line["seq"], line["previous"], said)


def test_csv_has_one_header_and_no_formulas(lived):
    rows = list(csv.DictReader(io.StringIO(b"".join(lived.parts("csv", max_lines=3)).decode(), newline="")))
    assert [row["id"] for row in rows if row["action"] == "test.line"] == [
        line["id"] for line in lived.lines() if line["action"] == "test.line"
    ]
    lived.state.commit("stack", lambda tx: tx.record(Change("test.odd", '=cmd|"/c"!A1', {"a": 'x,"y"\n'})))
    [odd] = [
        row
        for row in csv.DictReader(io.StringIO(b"".join(lived.parts("csv")).decode(), newline=""))
        if row["action"] == "test.odd"
    ]
    assert odd["resource"] == """'=cmd|"/c"!A1"""
    assert json.loads(odd["params"]) == {"a": 'x,"y"\n'}


def test_more_objects_than_one_answer_reads(tmp_path: Path):
    found = Exporting(tmp_path)
    for number in range(11):
        found.line("object", NOW - timedelta(minutes=number // 2), f"w{number}")
    assert sorted(words(found.lines(max_lines=2, max_objects=3))) == sorted(f"w{number}" for number in range(11))
    found.state.close()
