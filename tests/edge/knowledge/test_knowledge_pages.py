"""The pages of knowledge: what they show, what their forms do, with and without something to show."""

from __future__ import annotations

from typing import Any

from agnes.knowledge import relating
from tests.builders.house import Answer
from tests.builders.people import Person
from tests.edge.knowledge.conftest import Library
from tests.edge.knowledge.test_governing import approved, propose
from tests.edge.knowledge.test_relating import emea, judging

ORIGIN = {"Origin": "http://agnes.test"}


def look(library: Library, who: Person, path: str, status: int = 200) -> str:
    answer = library.house.get(path, cookie=who.cookie)
    assert answer.status == status, answer.text
    return answer.text


def press(library: Library, who: Person, path: str, **form: Any) -> Answer:
    return library.house.post(path, cookie=who.cookie, form=form, headers=ORIGIN)


def test_empty_pages_say_what_will_be_here(library: Library) -> None:
    bob = library.person("bob")
    assert "Propose the first fact" in look(library, bob, "/knowledge")
    assert "No item matches" in look(library, bob, "/knowledge?q=zebra")
    assert "Nothing waits for a review" in look(library, library.ada, "/admin/knowledge")
    for tab in ("all", "contradictions", "duplicates", "help", "detector"):
        look(library, library.ada, f"/admin/knowledge?show={tab}")
    look(library, bob, "/admin/knowledge", 403)
    former = library.house.get("/corporate-memory", cookie=bob.cookie)
    assert (former.status, former.headers["location"]) == (301, "/knowledge")
    assert "/knowledge" in look(library, bob, "/me/profile")


def test_a_fact_from_a_form_to_an_approval(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    look(library, bob, "/knowledge/new")
    words = {"action": "propose", "title": "Net <b>revenue</b>", "domain": "finance", "tags": "a, b"}
    wrong = press(library, bob, "/knowledge/new", **words, content="The key is AKIA" + "QW7B3PDKHX4PY8GT")
    assert (wrong.status, "Holds a token" in wrong.text) == (400, True), wrong.text
    assert "Net &lt;b&gt;revenue&lt;/b&gt;" in wrong.text, "what was typed stays, as text"
    made = press(library, bob, "/knowledge/new", **words, content="It excludes refunds.")
    assert made.status == 303
    there = made.headers["location"]
    assert "It excludes refunds." in look(library, bob, there)
    item = there.rpartition("/")[2]
    look(library, eve, there, 404)
    queue = look(library, library.ada, "/admin/knowledge")
    assert item in queue
    assert "<b>revenue" not in queue
    other = propose(library, bob, title="Next")
    page = look(library, library.ada, f"/admin/knowledge/{item}")
    for label in ("What it rests on", "Similar items", "History", "Make it mandatory"):
        assert label in page
    assert press(library, library.ada, f"/admin/knowledge/{item}", action="reject", reason=" ").status == 400
    done = press(library, library.ada, f"/admin/knowledge/{item}", action="approve")
    assert done.headers["location"].endswith(other), "on to the next of the queue"
    assert "Net &lt;b&gt;" in look(library, eve, "/knowledge")
    for action in ("up", "no_vote", "down", "dismiss", "load"):
        assert press(library, eve, there, action=action).status == 303, action
    assert press(library, eve, there, action="report", reason="It is out of date.").status == 303
    assert "It is out of date." in look(library, library.ada, f"/admin/knowledge/{item}")
    edit = {
        "action": "edit",
        "title": "Net revenue",
        "content": "Better.",
        "domain": "data",
        "category": "workflow",
        "tags": "c",
    }
    assert press(library, library.ada, f"/admin/knowledge/{item}", **edit).status == 303
    mandate = {"action": "mandate", "reason": "The law.", "audience": "everyone", "valid_until": "2027-01-01"}
    assert press(library, library.ada, f"/admin/knowledge/{item}", **mandate).status == 303
    assert press(library, library.ada, f"/admin/knowledge/{item}", **(mandate | {"valid_until": "soon"})).status == 400
    assert "Mandatory:" in look(library, eve, there)
    assert "Mandatory" in look(library, eve, "/knowledge?show=mandatory")


def test_batches_and_pairs(library: Library) -> None:
    bob = library.person("bob")
    first = propose(library, bob, title="One", content="First fact of all.")
    done = press(library, library.ada, "/admin/knowledge", action="approve", ids=first, show="review")
    assert done.status == 303
    old, new = emea(library)
    library.model.answer_with = judging
    relating.run(library.k, library.judge, now=library.house.clock.now())
    shown = look(library, library.ada, "/admin/knowledge?show=contradictions")
    assert "Keep A" in shown
    assert "Hard" in shown
    solved = press(
        library, library.ada, "/admin/knowledge", action="keep_b", item_a=old, item_b=new, show="contradictions"
    )
    assert solved.status == 303
    assert "Keep A" not in look(library, library.ada, "/admin/knowledge?show=contradictions")
    again = press(
        library, library.ada, "/admin/knowledge", action="keep_b", item_a=old, item_b=new, show="contradictions"
    )
    assert again.status == 409
    assert press(library, library.ada, "/admin/knowledge", action="retry", user_id="x", session_id="y").status == 303


def test_lists_page_and_filter(library: Library) -> None:
    bob = library.person("bob")
    for number in range(27):
        approved(
            library,
            bob,
            title=f"Fact {number:02}",
            content=f"Content {number}.",
            domain="data" if number % 2 else "finance",
        )
    page = look(library, bob, "/knowledge?sort=title")
    assert "1\u201325 of 27" in page
    assert "Fact 26" in look(library, bob, "/knowledge?sort=title&offset=25")
    assert "14 items" in look(library, bob, "/knowledge?domain=finance")
    assert "27 items" in look(library, library.ada, "/admin/knowledge?show=all&status=approved")
