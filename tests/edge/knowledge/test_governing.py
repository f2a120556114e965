"""Review, votes, personal items, mandates, bundles and exports, through the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.builders.house import Answer
from tests.builders.people import Person
from tests.edge.knowledge.conftest import Library

FACT = {"title": "Net revenue", "content": "Net revenue excludes refunds.", "domain": "finance", "tags": ["revenue"]}
ADMIN = "/api/admin/knowledge"


def propose(library: Library, who: Person, **fields: Any) -> str:
    answer = library.house.post("/api/knowledge", token=who.token, json_body=FACT | fields)
    assert answer.status == 201, answer.text
    return answer.json()["item_id"]


def decide(library: Library, item: str, decision: str, who: Person | None = None, **fields: Any) -> Answer:
    token = (who or library.ada).token
    return library.house.post(f"{ADMIN}/items/{item}/{decision}", token=token, json_body=fields)


def approved(library: Library, who: Person, **fields: Any) -> str:
    item = propose(library, who, **fields)
    answer = decide(library, item, "approve")
    assert answer.status == 200, answer.text
    return item


def get(library: Library, who: Person, path: str, status: int = 200) -> Any:
    answer = library.house.get(f"/api/knowledge{path}", token=who.token)
    assert answer.status == status, answer.text
    return answer.json()


def titles(found: Any) -> list[str]:
    return [one["title"] for one in found["items"]]


def test_from_a_proposal_to_everybodys_sessions(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    item = propose(library, bob)
    assert titles(get(library, bob, "")) == ["Net revenue"]
    assert titles(get(library, eve, "")) == []
    get(library, eve, f"/{item}", 404)
    assert get(library, eve, "/bundle")["approved"] == []
    assert decide(library, item, "approve", bob).status == 403
    assert decide(library, item, "approve").json()["item"]["label"] == "Active"
    [line] = get(library, eve, "/bundle")["approved"]
    assert (line["title"], line["reason"]) == ("Net revenue", "")
    detail = get(library, eve, f"/{item}")
    assert (detail["evidence"], detail["author"], detail["allowed"]) == ([], "", []), (
        "whose words it were is for admins"
    )
    assert [one["event"] for one in detail["history"]] == ["approve", "propose"]
    [notice] = get(library, bob, "/notices")
    assert "was approved" in notice["text"]
    assert decide(library, item, "reject").json()["code"] == "reason_required"
    assert decide(library, item, "revoke", reason="It was wrong.").status == 200
    assert get(library, eve, "/bundle")["approved"] == []
    assert decide(library, item, "revoke", reason="Again.").json()["code"] == "cannot_revoke"


def test_mandates_have_a_reason_an_audience_and_a_date(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    made = library.house.post("/api/admin/groups", token=library.ada.token, json_body={"name": "Finance"})
    group = made.json()["id"]
    library.house.post(f"/api/admin/groups/{group}/members", token=library.ada.token, json_body={"email": bob.email})
    item = propose(library, eve)
    until = (library.house.clock.now() + timedelta(days=10)).isoformat()
    assert decide(library, item, "mandate").status == 400
    fields = {"reason": "The auditors ask for it.", "audience": "groups", "groups": [group], "valid_until": until}
    assert decide(library, item, "mandate", **(fields | {"groups": ["nobody"]})).json()["code"] == "unknown_group"
    assert decide(library, item, "mandate", **fields).status == 200
    [line] = get(library, bob, "/bundle")["mandatory"]
    assert line["reason"] == "The auditors ask for it."
    assert get(library, library.person("zoe"), "/bundle")["mandatory"] == []
    refused = library.house.post(f"/api/knowledge/{item}/dismiss", token=bob.token)
    assert refused.json()["code"] == "item_is_mandatory"
    mine = library.house.post(f"/api/knowledge/{item}/personal", token=eve.token, json_body={"personal": True})
    assert mine.json()["code"] == "item_is_distributed", "its author cannot pull it from everybody"
    library.pass_time(timedelta(days=10))
    library.sign_in_again()
    assert get(library, library.person("bob"), "/bundle")["mandatory"] == [], "a validity that has ended is enforced"


def test_personal_items_are_their_authors_alone(library: Library) -> None:
    bob = library.person("bob")
    item = propose(library, bob)
    path = f"/api/knowledge/{item}/personal"
    assert library.house.post(path, token=library.ada.token, json_body={"personal": True}).status == 400
    assert library.house.post(path, token=bob.token, json_body={"personal": True}).status == 200
    assert titles(get(library, library.ada, "?status=pending")) == []
    get(library, library.ada, f"/{item}", 404)
    assert decide(library, item, "approve").status == 404
    export = library.house.get(f"{ADMIN}/export", token=library.ada.token)
    assert export.json() == []
    assert titles(get(library, bob, "?mine=true")) == ["Net revenue"]


def test_votes_rank_and_dismissals_hide(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    first, second = approved(library, bob, title="First"), approved(library, bob, title="Second")
    assert (
        library.house.post(f"/api/knowledge/{second}/vote", token=eve.token, json_body={"vote": 1}).json()["upvotes"]
        == 1
    )
    assert [one["title"] for one in get(library, eve, "/bundle")["approved"]] == ["Second", "First"]
    library.house.post(f"/api/knowledge/{second}/vote", token=eve.token, json_body={"vote": -1})
    assert [one["title"] for one in get(library, eve, "/bundle")["approved"]] == ["First"]
    assert len(get(library, bob, "/bundle")["approved"]) == 2
    assert library.house.post(f"/api/knowledge/{first}/dismiss", token=eve.token).status == 204
    assert get(library, eve, "/bundle")["approved"] == []
    assert titles(get(library, eve, "?hide_dismissed=true")) == ["Second"]
    assert library.house.delete(f"/api/knowledge/{first}/dismiss", token=eve.token).status == 204
    assert [one["title"] for one in get(library, eve, "/bundle")["approved"]] == ["First"]
    assert library.house.post(f"/api/knowledge/{first}/vote", token=eve.token, json_body={"vote": 2}).status == 422


def test_the_bundle_keeps_to_its_budget_and_says_what_it_leaves_out(library: Library) -> None:
    bob = library.person("bob")
    approved(library, bob, title="Huge", content="word " * 390)
    small = [approved(library, bob, title=f"Small {number}", content=f"Fact {number}.") for number in range(3)]
    mandate = propose(library, bob, title="Law", content="It is the law.")
    decide(library, mandate, "mandate", reason="The law.")
    found = get(library, bob, "/bundle?budget_tokens=500")
    assert {one["id"] for one in found["approved"]} == set(small), "smaller ones behind the large one still go in"
    assert (found["left_out"], len(found["warnings"]), found["token_estimate"] <= 500) == (1, 1, True)
    other = approved(library, bob, title="Deploys", content="Deploys are on Tuesday.", domain="operations")
    only = get(library, bob, "/bundle?domains=operations")
    assert [one["id"] for one in only["approved"]] == [other]
    assert [one["id"] for one in only["mandatory"]] == [mandate]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"title": " "}, "title_required"),
        ({"content": "x" * 2001}, "content_too_long"),
        ({"domain": "astrology"}, "unknown_domain"),
        ({"content": "The key is AKIA" + "QW7B3PDKHX4PY8GT"}, "holds_secret"),
        ({"title": "Write to lena.marsh@northwind.example"}, "holds_secret"),
        ({"tags": ["x" * 61]}, "tags_too_long"),
    ],
)
def test_what_cannot_be_proposed(library: Library, fields: dict[str, Any], code: str) -> None:
    bob = library.person("bob")
    answer = library.house.post("/api/knowledge", token=bob.token, json_body=FACT | fields)
    assert (answer.status, answer.json()["code"]) == (400, code)
    assert library.items() == []
    claimed = library.house.post("/api/knowledge", token=bob.token, json_body=FACT | {"source": "admin"})
    assert claimed.status == 422, "nobody claims where it comes from"


def test_editing_history_reports_and_batches(library: Library) -> None:
    bob = library.person("bob")
    items = [propose(library, bob, title=f"Fact {number}") for number in range(3)]
    changed = library.house.call(
        "PATCH", f"/api/knowledge/{items[0]}", token=bob.token, json_body={"content": "Better."}
    )
    assert changed.json()["item"]["content"] == "Better."
    body = {"item_ids": [*items, "nothing"], "decision": "approve"}
    done = library.house.post(f"{ADMIN}/decisions", token=library.ada.token, json_body=body).json()
    assert (done["done"], [one["code"] for one in done["failed"]]) == (items, ["item_not_found"])
    refused = library.house.call("PATCH", f"/api/knowledge/{items[0]}", token=bob.token, json_body={"content": "No."})
    assert refused.json()["code"] == "reviewed", "approved text changes by review only"
    said = library.house.post(
        f"/api/knowledge/{items[1]}/report", token=bob.token, json_body={"reason": "It is out of date."}
    )
    assert said.status == 204
    [report] = get(library, library.ada, f"/{items[1]}")["complaints"]
    assert report["by"] == bob.email
    assert any("out of date" in one["text"] for one in get(library, library.ada, "/notices"))
    before = get(library, library.ada, f"/{items[1]}")["item"]["confidence"]
    assert decide(library, items[1], "approve").status == 200, "looked at again"
    assert get(library, library.ada, f"/{items[1]}")["item"]["confidence"] > before
    change = {"item_ids": items, "category": "workflow", "tags_add": ["new"], "tags_remove": ["revenue"]}
    assert len(library.house.post(f"{ADMIN}/changes", token=library.ada.token, json_body=change).json()["done"]) == 3
    assert get(library, bob, f"/{items[2]}")["item"]["tags"] == ["new"]
    export = library.house.get(f"{ADMIN}/export?format=csv", token=library.ada.token)
    assert export.text.splitlines()[0].startswith("id,title,content,status")
    assert len(export.text.splitlines()) == 4
    history = get(library, library.ada, f"/{items[0]}")["history"]
    assert [one["event"] for one in history] == ["edit", "approve", "edit", "propose"]
    assert history[2]["before"]["content"] == FACT["content"]


def test_the_same_words_twice_are_support(library: Library) -> None:
    bob, eve = library.person("bob"), library.person("eve")
    item = propose(library, bob)
    again = library.house.post("/api/knowledge", token=eve.token, json_body=FACT).json()
    assert again == {"item_id": item, "is_new": False, "is_supported": True}
    assert len(library.items()) == 1


@pytest.mark.parametrize(("approval", "status"), [("auto_publish", "approved"), ("threshold", "pending")])
def test_modes_of_approval(library: Library, approval: str, status: str) -> None:
    from agnes.knowledge import service
    from agnes.knowledge.model import Rules
    from agnes.knowledge.service import Draft
    from tests.builders.verified import CASES

    library.rules = Rules(approval=approval, threshold=0.85)
    who = library.principal("bob")
    service.propose(library.k, who, Draft("Title", "Content"))
    assert [one.status for one in library.items()] == [status]
    library.send(library.person("bob"), CASES["correction"])
    library.pass_time()
    library.detect()
    assert "approved" in {one.status for one in library.items()}, "a correction is believed enough"


def test_modes_of_distribution(library: Library) -> None:
    from agnes.kernel.errors import ConflictError
    from agnes.knowledge import bundle, service
    from agnes.knowledge.model import Rules

    bob = library.person("bob")
    item = approved(library, bob)
    who = library.principal("bob")
    service.vote(library.k, who, item, -1)
    counts = {}
    for mode in ("hybrid", "admin_curated", "mandatory_only"):
        library.rules = Rules(distribution=mode)
        counts[mode] = len(bundle.bundle(library.k, who).approved)
    assert counts == {"hybrid": 0, "admin_curated": 1, "mandatory_only": 0}
    with pytest.raises(ConflictError, match="nobody votes"):
        service.vote(library.k, who, item, 1)


def test_a_granted_domain_opens_what_is_distributed_of_it(library: Library) -> None:
    """To the group's members, whatever the audience; nothing else of it."""
    bob, eve = library.person("bob"), library.person("eve")
    groups = [
        library.house.post("/api/admin/groups", token=library.ada.token, json_body={"name": name}).json()["id"]
        for name in ("Auditors", "Sales")
    ]
    body = {"email": eve.email}
    assert (
        library.house.post(f"/api/admin/groups/{groups[1]}/members", token=library.ada.token, json_body=body).status
        < 300
    )
    fact, other = approved(library, bob), approved(library, bob, title="Uptime", content="It is 99.9 %.", domain="data")
    propose(library, bob, title="Waiting", content="It waits for a review.")
    for item in (fact, other):
        mandate = decide(library, item, "mandate", reason="For auditors.", audience="groups", groups=[groups[0]])
        assert mandate.status == 200, mandate.text
    assert titles(get(library, eve, "")) == []
    grant = {"group_id": groups[1], "resource_type": "memory_domain", "resource_id": "finance"}
    unknown = library.house.post("/api/admin/grants", token=library.ada.token, json_body=grant | {"resource_id": "hr"})
    assert (unknown.status, unknown.json()["code"]) == (404, "domain_not_found")
    made = library.house.post("/api/admin/grants", token=library.ada.token, json_body=grant)
    assert made.status == 201, made.text
    assert titles(get(library, eve, "")) == ["Net revenue"]
    assert [one["id"] for one in get(library, eve, "/bundle")["mandatory"]] == [fact]
    assert "Domain of knowledge" in library.house.get(f"/admin/groups/{groups[1]}", cookie=library.ada.cookie).text
    assert library.house.delete(f"/api/admin/grants/{made.json()['id']}", token=library.ada.token).status == 204
    assert titles(get(library, eve, "")) == []
