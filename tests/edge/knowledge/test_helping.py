"""Does it help? Sessions that began with an item, were about it, corrected it, and what it cost them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from agnes.knowledge import forgetting, helping, packing
from agnes.knowledge.helping import MIN_SESSIONS
from agnes.telemetry.extraction import redaction
from tests.builders.people import Person
from tests.builders.transcripts import Transcript
from tests.builders.verified import CASES, Case
from tests.edge.knowledge.conftest import Library
from tests.edge.knowledge.test_governing import ADMIN, approved, decide
from tests.edge.knowledge.test_knowledge_pages import look, press

NET = CASES["correction"]


def session_id(number: int) -> str:
    return str(uuid5(NAMESPACE_URL, f"helping/{number}"))


def load(library: Library, who: Person, sessions: dict[str, list[str]], status: int = 200) -> Any:
    answer = library.house.call("PUT", "/api/knowledge/loads", token=who.token, json_body={"sessions": sessions})
    assert answer.status == status, answer.text
    return answer.json()


def figures(library: Library) -> dict[str, dict[str, Any]]:
    answer = library.house.get(f"{ADMIN}/help", token=library.ada.token)
    assert answer.status == 200, answer.text
    return {one["item"]["id"]: one["help"] for one in answer.json()["items"]}


def about_weather(t: Transcript) -> None:
    t.prompt("What is the weather like?")


def test_sessions_corrections_and_tokens(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    library.send(bob, NET)
    library.pass_time()
    library.detect()
    [item] = library.items()
    assert decide(library, item.id, "approve").status == 200
    idle = approved(library, bob, title="Cost centre 410", content="Cost centre 410 is marketing.")
    assert load(library, eve, {NET.session_id: [item.id, idle, "unknown"], session_id(1): [item.id]}) == {"recorded": 2}
    assert load(library, eve, {session_id(1): [item.id]}) == {"recorded": 0}, "told twice, counted once"
    library.send(eve, NET)  # Eve's session had the fact, and she had to say it again
    library.send(
        eve,
        Case("w", about_weather),
        Case("w", about_weather).body().replace(Case("w", about_weather).session_id.encode(), session_id(1).encode()),
    )
    library.pass_time()
    library.detect()
    found = figures(library)
    one = found[item.id]
    each = packing.tokens(f"{item.title} {item.content}")
    assert (one["sessions"], one["people"], one["mentioned"], one["tokens"]) == (2, 1, 1, 2 * each)
    assert (one["corrections_before"], one["corrections_after"], one["corrections_loaded"]) == (1, 1, 1)
    assert one["advice"] == "reword"
    assert (found[idle]["sessions"], found[idle]["mentioned"], found[idle]["advice"]) == (1, 0, "")
    assert "1 of these although it was loaded" in look(library, library.ada, f"/admin/knowledge/{item.id}")


def test_what_costs_and_never_matters_is_proposed_for_removal(library: Library) -> None:
    bob = library.person("bob")
    idle = approved(library, bob, title="Cost centre 410", content="Cost centre 410 is marketing.")
    liked = approved(library, bob, title="Net revenue", content="Net revenue excludes refunds.")
    library.house.post(f"/api/knowledge/{liked}/vote", token=bob.token, json_body={"vote": 1})
    library.house.clock.sleep(timedelta(days=31).total_seconds())
    library.sign_in_again()
    bob = library.users["bob"]
    load(library, bob, {session_id(number): [idle, liked] for number in range(MIN_SESSIONS)})
    assert figures(library)[idle]["advice"] == "", "nobody has read these sessions yet"
    library.house.state.commit(
        "knowledge",
        lambda tx: [helping.note_mentioned(tx, bob.id, session_id(number), []) for number in range(MIN_SESSIONS)],
    )
    found = figures(library)
    assert (found[idle]["advice"], found[liked]["advice"]) == ("remove", "")
    shown = look(library, library.ada, "/admin/knowledge?show=help")
    assert "1 proposed for removal" in shown
    assert shown.index("Cost centre 410") < shown.index("Net revenue"), "what is proposed comes first"
    body = {"action": "revoke", "ids": idle, "reason": "It never mattered.", "show": "help"}
    assert press(library, library.ada, "/admin/knowledge", **body).status == 303
    assert idle not in figures(library)


def test_loads_are_checked_and_go_with_their_session(library: Library) -> None:
    bob = library.person("bob")
    item = approved(library, bob)
    assert load(library, bob, {}, 400)["code"] == "too_many_sessions"
    assert load(library, bob, {"../x": [item]}, 400)["code"] == "invalid_session_id"
    assert load(library, bob, {session_id(1): ["x"] * 1001}, 400)["code"] == "too_many_items"
    library.send(bob, CASES["by_claude"])
    case = CASES["by_claude"].session_id
    load(library, bob, {case: [item]})
    wiring = library.house.wiring
    redaction.redact_session(wiring.state, wiring.store, bob.id, case, clock=wiring.clock)
    overdue = forgetting.overdue(wiring.state, wiring.store, now=library.house.clock.now())
    assert overdue.sessions == {bob.id: [case]}, "should whoever redacts die now"
    library.detect()
    assert library.rows("FROM knowledge.loads") == []


def test_a_conversation_is_about_what_it_names() -> None:
    class One:
        def __init__(self, id: str, title: str, *entities: str) -> None:
            self.id, self.title, self.entities = id, title, list(entities)

    items = [
        One("net", "Net revenue excludes refunds", "net revenue"),
        One("emea", "EMEA includes Turkey"),
        One("x", "412"),
    ]
    said = ["Does net REVENUE exclude the refunds?", "No."]
    assert helping.mentioned(items, said) == ["net"]  # type: ignore[arg-type]
    assert helping.mentioned(items, []) == []  # type: ignore[arg-type]


def test_pruned_sessions_are_looked_for_once_a_day(library: Library) -> None:
    """Not at each run, person by person: a session with evidence that telemetry has pruned is missing for good."""
    approved(library, library.person("bob"))
    library.house.state.commit(
        "knowledge", lambda tx: tx.db.execute("UPDATE knowledge.evidence SET session_id = 'gone'") and None
    )
    library.detect()
    [(missing, at)] = library.rows("SELECT missing, missing_at FROM knowledge.progress")
    assert (len(missing), at) == (64, library.house.clock.now())
    library.pass_time()
    library.detect()
    assert library.rows("SELECT missing_at FROM knowledge.progress") == [(at,)]
