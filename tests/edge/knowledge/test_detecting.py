"""The detector over sessions that arrive as the client writes them: exact items, and nothing that nobody said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from agnes.kernel.llm import ModelRefused, ModelUnavailable, Trouble
from agnes.knowledge import detecting, readings
from agnes.telemetry.extraction import redaction
from tests.builders import real_transcripts
from tests.builders.verified import CASES, Case
from tests.edge.knowledge.conftest import Library

DAY = timedelta(days=1)


def test_the_corpus_yields_exactly_its_facts(library: Library) -> None:
    bob = library.person("bob")
    for case in CASES.values():
        library.send(bob, case)
    library.pass_time()
    report = library.detect()
    expected = {fact for case in CASES.values() for fact in case.expected}
    assert library.found() == expected
    assert (report.found, report.read, report.failed, report.waiting) == (len(CASES), len(CASES), 0, 0)
    assert report.refused >= 5  # forged and reworded quotes, a turn of Claude's, a secret, an address
    stored = "".join(map(str, library.rows("FROM knowledge.items") + library.rows("FROM knowledge.evidence")))
    for case in CASES.values():
        for word in case.hidden:
            if case.name == "secret":
                assert word not in library.model.read, (case.name, word)
            assert word not in stored or case.name == "lying_tool", (case.name, word)
    [item] = [one for one in library.items() if one.title == "Net revenue excludes refunds"]
    assert (item.status, item.source, item.author_id, item.domain) == ("pending", "session", bob.id, "finance")
    assert library.detect().found == 0


@pytest.mark.parametrize("name", ["lying_tool", "by_client", "injected_tool"])
def test_what_no_person_wrote_is_never_sent(library: Library, name: str) -> None:
    library.send(library.person("bob"), CASES[name])
    library.pass_time()
    library.detect()
    for word in CASES[name].hidden:
        assert word not in library.model.read
    assert library.items() == []


@pytest.mark.parametrize("version", ["2.1.197", "2.1.332"])
def test_the_real_clients_transcripts(library: Library, version: str) -> None:
    """Their turns as a person typed them; the fork repeats none of its parent's."""
    bob = library.person("bob")
    for name in real_transcripts.NAMES:
        session_id = real_transcripts.session_id(name, version)
        body = real_transcripts.main_file(name, version).read_bytes()
        library.send(bob, _named(session_id), body)
    library.pass_time()
    report = library.detect()
    assert report.read == len(real_transcripts.NAMES)
    read = library.model.read
    for typed in (
        "Forecast Q3 spend for cost centre 410",
        "Why is marketing over budget in May?",
        "And which columns?",
        "Run the checks in the background.",
        "Name the cost centres.",
    ):
        assert read.count(typed) == 1, typed
    for other in ("task-notification", "Base directory for this skill", "system-reminder", "tool_result", "Caveat:"):
        assert other not in read
    assert report.input_tokens * 4 < report.plain_bytes / 10, "a tenth of the transcripts at most"


def _named(session_id: str) -> Case:
    class Named(Case):
        @property
        def session_id(self) -> str:
            return session_id

    return Named("real", lambda t: None)


def test_a_session_is_read_when_it_is_quiet(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    assert (library.detect().busy, library.model.prompts) == (1, [])
    library.pass_time(timedelta(minutes=10))
    assert library.detect().busy == 1
    library.pass_time(timedelta(minutes=6))
    assert library.detect(dry_run=True).found == 1
    assert library.rows("SELECT count(*) FROM knowledge.readings") == [(0,)], "a dry run writes nothing"
    assert library.detect().read == 1


def test_growth_reads_only_what_is_new(library: Library) -> None:
    bob, case = library.person("bob"), CASES["correction"]
    library.send(bob, case)
    library.pass_time()
    library.detect()
    grown = case.transcript()
    grown.prompt("And again: net revenue excludes refunds. By the way EMEA includes Turkey")
    library.send(bob, case, grown.body())
    library.pass_time()
    before = len(library.model.prompts)
    assert library.detect().read == 1
    new = [line for line in library.model.prompts[before].turns[-1].text.splitlines() if 'new="yes"' in line]
    assert len(new) == 1
    assert sorted(one.title for one in library.items()) == ["EMEA includes Turkey", "Net revenue excludes refunds"]
    counts = library.rows("SELECT count(*) FROM knowledge.evidence GROUP BY item_id ORDER BY 1")
    assert counts == [(1,), (1,)], "one quote of a session is one piece of evidence"


def test_a_fork_repeats_nothing_and_another_person_supports(library: Library) -> None:
    bob, eve, case = library.person("bob"), library.person("eve"), CASES["correction"]
    library.send(bob, case)
    fork = case.transcript()
    fork.lines = [line.replace(case.session_id, CASES["queued"].session_id) for line in fork.lines]
    fork.prompt("churn is counted per contract")
    library.send(bob, CASES["queued"], fork.body())
    library.send(eve, CASES["by_claude"], case.body().replace(b"Do it again", b"Please"))
    library.pass_time()
    library.detect()
    rows = library.rows(
        """SELECT i.title, count(*), count(DISTINCT e.user_id) FROM knowledge.evidence e
        JOIN knowledge.items i ON i.id = e.item_id GROUP BY 1 ORDER BY 1"""
    )
    assert rows == [("Churn is counted per contract", 1, 1), ("Net revenue excludes refunds", 2, 2)]


def test_long_sessions_are_read_whole_in_chunks(library: Library) -> None:
    case = CASES["correction"]
    long = case.transcript()
    for number in range(160):
        long.prompt(f"Question {number}: " + "please look at the table of bookings once more " * 8)
        long.say([{"type": "text", "text": f"Answer {number}: " + "there is nothing new in it " * 60}])
    long.prompt("By the way, EMEA includes Turkey")
    library.send(library.person("bob"), case, long.body())
    library.pass_time()
    library.detect()
    assert library.found() == CASES["correction"].expected | CASES["secret"].expected
    assert len(library.model.prompts) > 4
    assert all(len(prompt.turns[-1].text) < 30_000 for prompt in library.model.prompts)
    marked = library.rows("SELECT length(turns) FROM knowledge.readings")
    assert marked == [(8 * 163,)]


UNREACHABLE = ModelUnavailable("no connection")
KEY = ModelUnavailable("its API does not take the key", trouble=Trouble.REFUSED)


def test_what_is_temporary_is_tried_again_and_counted(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    library.model.before = [UNREACHABLE, UNREACHABLE]
    assert library.detect().retried == 1
    assert library.detect().read == 0, "not before its time"
    library.pass_time()
    assert library.detect().retried == 1
    assert library.rows("SELECT status, attempts FROM knowledge.readings") == [("waiting", 2)]
    library.pass_time(timedelta(hours=1))
    assert library.detect().read == 1
    assert library.found() == CASES["correction"].expected
    assert library.rows("SELECT status, attempts, reason FROM knowledge.readings") == [("read", 0, "")]


def test_what_stays_away_is_kept_as_failed_and_growth_tries_again(library: Library) -> None:
    bob, case = library.person("bob"), CASES["correction"]
    library.send(bob, case)
    library.pass_time()
    library.model.before = [UNREACHABLE] * readings.MAX_ATTEMPTS
    for _ in range(readings.MAX_ATTEMPTS):
        library.detect()
        library.pass_time(DAY)
    [(status, reason)] = library.rows("SELECT status, reason FROM knowledge.readings")
    assert (status, "no connection" in reason) == ("failed", True)
    assert library.detect().read == 0
    grown = case.transcript()
    grown.prompt("Thanks for your patience.")
    library.sign_in_again()
    library.send(library.person("bob"), case, grown.body())
    library.pass_time()
    assert library.detect().read == 1
    assert library.found() == case.expected


def test_what_is_permanent_is_not_tried_again(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.send(library.person("eve"), CASES["confirmation"])
    library.pass_time()
    library.model.before = [ModelRefused()]
    report = library.detect()
    assert (report.failed, report.read) == (1, 1), "one session's trouble stops no other"
    library.pass_time(DAY)
    assert library.detect() == detecting.Report()
    assert library.rows("SELECT count(*) FROM knowledge.audit WHERE action = 'knowledge.detect_failed'") == [(1,)]


@pytest.mark.parametrize("value", [{}, {"facts": "none"}, {"facts": [{"kind": "rumour"}, 7, None, {}]}])
def test_answers_of_another_form_store_nothing(library: Library, value: dict[str, Any]) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    library.model.before = [value]
    report = library.detect()
    assert library.items() == []
    assert report.retried + report.refused > 0


def test_without_a_key_or_dollars_sessions_wait_and_lose_nothing(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    library.model.has_key = False
    assert (library.detect().status, library.detect().waiting) == ("no_key", 1)
    library.model.has_key = True
    library.model.before = [KEY]
    assert library.detect().status == "key_refused"
    library.day_usd = 0.000001
    assert library.detect().status == "cap_reached"
    assert len(library.model.prompts) == 1, "nothing is sent beyond the cap"
    library.day_usd = 1.0
    assert library.detect().read == 1
    assert library.rows("SELECT count(*) FROM knowledge.spending WHERE usd > 0") == [(1,)]


def test_a_failing_scanner_sends_and_stores_nothing(library: Library) -> None:
    class Broken:
        version = "broken"

        def secrets(self, line: str) -> Any:
            raise RuntimeError("out of order")

    from dataclasses import replace

    library.house.wiring.scanners = replace(library.house.wiring.scanners, secrets=Broken())
    case = CASES["secret"]
    library.send(library.person("bob"), case)
    library.pass_time()
    assert library.detect().retried == 1
    assert library.model.prompts == []
    assert library.items() == []


def test_two_detectors_at_once_read_a_session_once(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    inner: list[detecting.Report] = []

    def second() -> None:
        if not inner:
            inner.append(detecting.Report())
            inner[0] = library.detect()

    library.model.asked = second
    outer = library.detect()
    assert (outer.read, inner[0].read, len(library.model.prompts)) == (1, 0, 1)
    assert library.rows("SELECT count(*) FROM knowledge.evidence") == [(1,)]


def test_a_worker_whose_lease_ended_writes_nothing(library: Library) -> None:
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    began = []

    def slow() -> None:
        if not began:
            began.append(True)
            library.pass_time(readings.LEASE + timedelta(minutes=1))
            assert library.detect().read == 1

    library.model.asked = slow
    assert library.detect().read == 0
    assert library.rows("SELECT count(*), max(length(turns)) FROM knowledge.readings") == [(1, 16)]
    assert library.rows("SELECT count(*) FROM knowledge.evidence") == [(1,)]


def test_a_backlog_goes_to_the_queue(library: Library) -> None:
    bob = library.person("bob")
    for name in ("correction", "confirmation", "queued", "memory_note"):
        library.send(bob, CASES[name])
    library.pass_time()
    report = library.detect(here=2)
    assert (report.read, report.sent, len(library.queue.sent)) == (2, 2, 2)
    assert library.detect().sent == 0, "messages are under way"
    for message in library.queue.sent:
        said = detecting.read_session(library.k, library.judge, message.body["user_id"], message.body["session_id"])
        assert said.outcome == "read"
    assert len(library.items()) == 4


def test_redaction_reaches_what_came_from_a_session(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    library.send(bob, CASES["correction"])
    library.send(bob, CASES["confirmation"])
    library.send(eve, CASES["by_claude"], CASES["correction"].body())
    library.pass_time()
    library.detect()
    wiring = library.house.wiring
    for case in (CASES["correction"], CASES["confirmation"]):
        redaction.redact_session(wiring.state, wiring.store, bob.id, case.session_id, clock=wiring.clock)
    report = library.detect()
    assert report.forgotten == 2
    [item] = library.items()
    assert (item.title, item.author_id) == ("Net revenue excludes refunds", eve.id), "it rests on Eve's words too"
    assert library.rows("SELECT count(*) FROM knowledge.evidence") == [(1,)]
    assert library.rows("SELECT count(*) FROM knowledge.history") == [(1,)]
    assert library.detect().forgotten == 0


def test_a_session_that_is_redacted_while_it_is_read_leaves_nothing(library: Library) -> None:
    bob, case = library.person("bob"), CASES["correction"]
    library.send(bob, case)
    library.pass_time()
    wiring = library.house.wiring
    library.model.asked = lambda: (
        redaction.redact_session(wiring.state, wiring.store, bob.id, case.session_id, clock=wiring.clock) and None
    )
    library.detect()
    assert library.items() == []
    assert library.rows("SELECT status, turns FROM knowledge.readings") == [("forgotten", "")]
    library.pass_time(DAY)
    assert library.detect().read == 0
