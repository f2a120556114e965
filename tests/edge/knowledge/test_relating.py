"""The orchestrator: what it asks, what it believes, what resolutions do."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from agnes.kernel.llm import ModelUnavailable, Prompt
from agnes.knowledge import relating
from tests.edge.knowledge.conftest import Library
from tests.edge.knowledge.test_governing import ADMIN, approved, decide, get, propose

_FACT = re.compile(r"<fact \w+ (new|candidate \d+) domain=\w+>\n(.*?)\n</fact", re.DOTALL)


def judging(prompt: Prompt) -> dict[str, Any]:
    """By words: EMEA facts that differ contradict, those with `also` refine, equal meanings are the same."""
    facts = dict(_FACT.findall(prompt.turns[-1].text))
    new = facts.pop("new")
    found = []
    for name, text in facts.items():
        verdict = "unrelated"
        if "EMEA" in text and "EMEA" in new:
            verdict = "contradicts" if ("excludes" in text) != ("excludes" in new) else "same"
        found.append(
            {
                "candidate": int(name.split()[1]),
                "verdict": verdict,
                "severity": "hard" if verdict == "contradicts" else "",
                "explanation": "By the words.",
                "suggestion": "keep_new" if verdict == "contradicts" else "",
                "merged": "",
            }
        )
    return {"judgements": [*found, {"candidate": 99, "verdict": "same"}, {"nonsense": 1}]}


@pytest.fixture
def compared(library: Library) -> Library:
    library.model.answer_with = judging
    return library


def relate(library: Library, **more: Any) -> relating.Report:
    return relating.run(library.k, library.judge, now=library.house.clock.now(), **more)


def emea(library: Library) -> tuple[str, str]:
    """(old, new): an approved item, and one that contradicts it."""
    bob, eve = library.person("bob"), library.person("eve")
    old = approved(library, bob, title="EMEA and Turkey", content="In reports EMEA excludes Turkey entirely.")
    library.house.clock.sleep(1)
    new = propose(library, eve, title="EMEA with Turkey", content="In reports EMEA includes Turkey since June.")
    for number in range(4):
        approved(library, bob, title=f"Filler {number}", content=f"Nothing of the kind, number {number}.")
    return old, new


def relations(library: Library, **query: str) -> list[dict[str, Any]]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = library.house.get(f"{ADMIN}/relations?{words}", token=library.ada.token)
    assert answer.status == 200, answer.text
    return answer.json()["items"]


def test_a_contradiction_is_found_and_its_resolution_acts(compared: Library) -> None:
    old, new = emea(compared)
    assert relate(compared, dry_run=True).waiting == 6
    assert compared.model.prompts == []
    report = relate(compared)
    assert (report.status, report.waiting, report.relations) == ("ok", 0, 1)
    [found] = relations(compared, kind="contradicts")
    assert {found["relation"]["item_a"], found["relation"]["item_b"]} == {old, new}
    assert (found["relation"]["severity"], found["relation"]["suggestion"]) == ("hard", "keep_b")
    asked = len(compared.model.prompts)
    assert relate(compared).compared == 0
    assert len(compared.model.prompts) == asked, "what was compared is not asked again"
    path = f"{ADMIN}/relations/{new}/{old}"
    done = compared.house.post(path, token=compared.ada.token, json_body={"resolution": "keep_a"})
    assert done.status == 200, done.text
    closed = get(compared, compared.ada, f"/{old}")["item"]
    assert (closed["status"], closed["superseded_by"]) == ("superseded", new)
    assert closed["valid_until"] is not None, "its validity is closed, not deleted"
    again = compared.house.post(path, token=compared.ada.token, json_body={"resolution": "both"})
    assert again.json()["code"] == "relation_resolved"
    assert relations(compared) == []
    assert len(relations(compared, resolved="true")) == 1


def test_a_merge_joins_text_evidence_and_votes(compared: Library) -> None:
    bob, eve = compared.person("bob"), compared.person("eve")
    one = approved(compared, bob, title="EMEA", content="EMEA includes Turkey and Israel.")
    compared.house.clock.sleep(1)
    other = propose(compared, eve, title="EMEA region", content="EMEA includes Israel and Turkey too.")
    compared.house.post(f"/api/knowledge/{other}/vote", token=eve.token, json_body={"vote": 1})
    relate(compared)
    body = {"resolution": "merge", "merged": "EMEA includes Turkey and Israel, since June."}
    path = f"{ADMIN}/relations/{one}/{other}"
    for wrong in ("", "The key is AKIA" + "QW7B3PDKHX4PY8GT"):
        refused = compared.house.post(path, token=compared.ada.token, json_body={**body, "merged": wrong})
        assert refused.status == 400
    assert compared.house.post(path, token=compared.ada.token, json_body=body).status == 200
    kept = get(compared, compared.ada, f"/{one}")
    assert kept["item"]["content"] == body["merged"]
    assert {line["email"] for line in kept["evidence"]} == {bob.email, eve.email}
    assert kept["item"]["upvotes"] == 1
    assert get(compared, compared.ada, f"/{other}")["item"]["status"] == "superseded"


def test_another_text_is_compared_again_and_resolved_ones_stay(compared: Library) -> None:
    old, new = emea(compared)
    relate(compared)
    path = f"{ADMIN}/relations/{old}/{new}"
    assert compared.house.post(path, token=compared.ada.token, json_body={"resolution": "dismiss"}).status == 200
    change = {"title": "EMEA of today"}
    compared.house.call("PATCH", f"{ADMIN}/items/{new}", token=compared.ada.token, json_body=change)
    assert relate(compared).compared == 1
    assert len(relations(compared, kind="contradicts")) == 1


def test_items_expire_and_mandates_are_reminded_of(compared: Library) -> None:
    bob = compared.person("bob")
    approved(compared, bob, title="Approved")
    mandate = propose(compared, bob, title="Mandate")
    decide(compared, mandate, "mandate", reason="The law.")
    assert relate(compared).expired == 0
    compared.pass_time(timedelta(days=181))
    compared.sign_in_again()
    report = relate(compared)
    assert (report.expired, report.reminded) == (1, True)
    assert {one.title: one.status for one in compared.items()} == {"Approved": "expired", "Mandate": "mandatory"}
    assert any("1 overdue mandate" in one["text"] for one in get(compared, compared.ada, "/notices"))
    assert relate(compared).reminded is False, "once a day"


def test_errors_wait_and_do_not_repeat_for_ever(compared: Library) -> None:
    emea(compared)
    compared.model.before = [ModelUnavailable("no connection")] * 100
    for _ in range(relating.MAX_ATTEMPTS):
        relate(compared)
    asked = len(compared.model.prompts)
    assert relate(compared).failed == 0
    assert len(compared.model.prompts) == asked
    compared.model.before = []
    compared.model.has_key = False
    propose(compared, compared.person("bob"), title="EMEA again", content="EMEA includes Turkey, Israel and Egypt.")
    assert relate(compared).status == "no_key"
    compared.model.has_key = True
    compared.day_usd = 0.0000001
    assert relate(compared).status == "cap_reached"
    compared.day_usd = 1.0
    assert relate(compared).compared == 1


def test_the_same_words_need_no_model(compared: Library) -> None:
    bob = compared.person("bob")
    approved(compared, bob, title="Net revenue", content="It excludes refunds.")
    propose(compared, bob, title="NET  revenue", content="It  excludes refunds.")
    assert relate(compared).relations == 1
    assert compared.model.prompts == []
    [found] = relations(compared, kind="same")
    assert found["relation"]["explanation"] == "Both have the same words."
