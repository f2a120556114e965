"""The queue's pages: what they show, what their buttons do, and how long the list of 5,000 takes."""

from __future__ import annotations

from html import unescape

from agnes.checks import Verdict
from tests.builders.archives import PLUGIN, SKILL, packed
from tests.builders.market import FleaMarket, said
from tests.builders.people import Person

HOOKS = '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "echo done"}]}]}}'


def page(market: FleaMarket, who: Person, path: str, status: int = 200) -> str:
    answer = market.house.get(path, cookie=who.cookie)
    assert answer.status == status, answer.text
    return unescape(answer.text)


def press(market: FleaMarket, who: Person, path: str, status: int = 303, **form: str) -> str:
    answer = market.house.post(path, cookie=who.cookie, form=form, headers={"Origin": "http://agnes.test"})
    assert answer.status == status, answer.text
    return answer.headers.get("location", answer.text)


def test_an_empty_queue_says_what_will_be_there(market: FleaMarket, ada: Person, bob: Person) -> None:
    assert "Nothing waits for a decision" in page(market, ada, "/admin/store")
    assert "Nothing waits for a decision" in page(market, ada, "/admin/store/submissions")
    page(market, bob, "/admin/store", 403)
    page(market, ada, "/admin/store/submissions/nothing", 404)


def test_from_the_queue_to_a_decision(market: FleaMarket, ada: Person, bob: Person) -> None:
    entity = market.shared(bob, packed(PLUGIN))
    market.update(bob, entity, packed({**PLUGIN, "hooks/hooks.json": HOOKS}))
    market.review()
    shown = page(market, ada, "/admin/store")
    assert "1 submission to look at" in shown
    assert "Gains hooks" in shown
    submission = market.versions(bob, entity)[0]["submission_id"]
    path = f"/admin/store/submissions/{submission}"
    shown = page(market, ada, path)
    assert 'class="line line--gained"' in shown
    assert "echo done" in shown
    assert "Changes against version 1" in shown
    assert "4 characters or more" in press(market, ada, path, 400, action="reject")
    assert press(market, ada, path, action="reject", reason="Hooks are not for this.") == "/admin/store"
    assert "Hooks are not for this." in page(market, ada, path)
    press(market, ada, path, 409, action="approve")
    assert press(market, ada, path, action="override", reason="On second thought, fine.") == "/admin/store"
    assert market.entity(bob, entity)["version_no"] == 2
    assert press(market, ada, path, action="quarantine", reason="A drill.") == path
    assert market.mine(bob, entity)["label"] == "Blocked"
    press(market, ada, path, action="release", reason="It was a drill.")
    assert market.mine(bob, entity)["label"] == "Active"


def test_findings_are_beside_their_lines(market: FleaMarket, ada: Person, bob: Person) -> None:
    where = "skills/notes-by-bob/SKILL.md"
    market.reviewer.verdict = said(Verdict.UNSAFE, "it sends files to <somebody>", path=where)
    entity = market.share(bob).json()["id"]
    market.review()
    submission = market.versions(bob, entity)[0]["submission_id"]
    shown = market.house.get(f"/admin/store/submissions/{submission}", cookie=ada.cookie).text
    assert "it sends files to &lt;somebody&gt;" in shown
    assert 'class="line line--removed">    3  description: Writes release notes' in shown


def test_names_of_people_who_mean_harm_are_text(market: FleaMarket, ada: Person, bob: Person) -> None:
    bad = SKILL.replace("# Release notes", "# <script>alert(1)</script>\u202e")
    entity = market.share(bob, packed({"SKILL.md": bad}), changes="<img src=x onerror=alert(1)>").json()["id"]
    submission = market.versions(bob, entity)[0]["submission_id"]
    shown = market.house.get(f"/admin/store/submissions/{submission}", cookie=ada.cookie).text
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown
    assert "\u202e" not in shown
