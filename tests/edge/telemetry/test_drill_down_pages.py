"""The pages of sessions and people: what they show, to whom, and that what a transcript says stays text."""

from __future__ import annotations

import html
import random
import re

import pytest

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import run_usage, serve, upload
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "77777777-0002-4f00-9a00-00000000bbbb"
HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> [x](javascript:alert(1)) \"'> \x1b[31m \u202etxt.exe {{7*7}}"


def hostile() -> bytes:
    t = Transcript(A, rng=random.Random(A))
    t.prompt(HOSTILE)
    call = t.use('Ba"sh<b>', command=HOSTILE)
    t.result(call, HOSTILE, is_error=True)
    t.command("finops:close-month", "October")
    t.say([{"type": "text", "text": HOSTILE + "long " * 30_000}], model="<i>model</i>")
    return t.body()


@pytest.fixture(scope="module")
def used(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house")) as house:
        serve(house, "finops")
        admin = seed_admin(house)
        mira = add_person(house, admin, "mira@example.com")
        upload(house, mira, A, hostile())
        agent = Transcript(A, agent_id="a1", rng=random.Random("a1"))
        agent.prompt("look around")
        upload(house, mira, A, agent.body(), agent_id="a1")
        run_usage(house, admin)
        yield house, admin, mira


def page(house, person, path: str, *, status: int = 200) -> str:
    answer = house.get(path, cookie=person.cookie)
    assert answer.status == status, answer.text[:2000]
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


@pytest.mark.parametrize("mine", [False, True])
def test_what_was_said_stays_text(used, mine):
    house, admin, mira = used
    at = f"/me/sessions/{A}" if mine else f"/admin/sessions/{mira.id}/{A}"
    text = page(house, mira if mine else admin, at)
    main = text[text.index('<section class="conversation"') : text.index("<footer")]
    assert not re.search(r"<(script|img|i|b)\b|javascript:[^)]*[\"']\s|href=\"(?!#|/)", main)
    assert main.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\u241b[31m \u27e6U+202E\u27e7txt.exe {{7*7}}" in html.unescape(main)
    said = words(main)
    assert 'Error of Ba"sh<b>' in said
    assert "Command /finops:close-month October" in said
    assert "Subagent a1" in said
    assert "Show all 150,1" in said
    assert re.search(r'<details open>\s*<summary><span class="said__who">Error of', main)
    (piece,) = set(re.findall(r'href="([^"]+/pieces/[^"]+)"', main))
    whole = page(house, mira if mine else admin, piece)
    assert "Characters 1 to 100,000 of 150,1" in words(whole)
    assert "<script>alert" not in whole
    second = page(house, mira if mine else admin, f"{piece}?start=100000")
    assert 'rel="prev"' in second
    assert len(second) < 200_000


def test_a_page_goes_on_where_the_one_before_ended(used):
    house, admin, mira = used
    at = f"/admin/sessions/{mira.id}/{A}"
    found, path = [], f"{at}?limit=2"
    while path:
        text = page(house, admin, path)
        found += re.findall(r'id="(p-[^"]+)"', text)
        onward = re.search(r'href="([^"#]+)#conversation" rel="next"', text)
        path = html.unescape(onward[1]) + "&limit=2" if onward else None
    assert found == re.findall(r'id="(p-[^"]+)"', page(house, admin, at))
    assert len(found) == 6


def test_the_list_has_filters_figures_and_sorts_without_script(used):
    house, admin, mira = used
    text = page(house, admin, f"/admin/sessions?q=mira&username={mira.id}&only_errors=1&model=&sort=tokens:asc")
    assert f'href="/admin/sessions/{mira.id}/{A}"' in text
    assert 'aria-sort="ascending"' in text
    assert "sort=tokens%3Adesc" in text
    assert "1 session" in words(text)
    assert "No session passes" in words(page(house, admin, "/admin/sessions?q=%3Cscript%3E"))
    assert 'value="&lt;script&gt;"' in page(house, admin, "/admin/sessions?q=%3Cscript%3E")
    page(house, admin, "/admin/sessions?limit=x", status=422)


def test_people_and_one_person(used):
    house, admin, mira = used
    text = page(house, admin, "/admin/users")
    assert "2 active of 2 accounts" in words(text)
    assert re.search(rf'href="/admin/users/{mira.id}">mira</a>', text)
    assert "today" in words(text)
    assert mira.id not in page(house, admin, "/admin/users?q=ada&status=active")
    assert "No user matches" in words(page(house, admin, "/admin/users?q=%25"))
    person = page(house, admin, f"/admin/users/{mira.id}")
    assert f'href="/api/admin/users/{mira.id}/sessions/download-all"' in person
    assert f'href="/admin/sessions/{mira.id}/{A}"' in person
    assert "Everyone" in words(person)
    page(house, admin, "/admin/users/nobody", status=404)


def test_nobody_sees_the_pages_of_others(used):
    house, admin, mira = used
    for path in (
        *("/admin/sessions", "/admin/users", f"/admin/users/{mira.id}", f"/admin/users/{mira.id}/redact"),
        *(f"/admin/sessions/{mira.id}/{A}{rest}" for rest in ("", "/pieces/main.0.0", "/redact")),
    ):
        assert house.get(path).status == 302, path
        page(house, mira, path, status=403)
    # An admin has no door into another's own pages either.
    page(house, admin, f"/me/sessions/{A}", status=404)
    page(house, admin, f"/me/sessions/{A}/pieces/main.0.0", status=404)
    assert A not in page(house, admin, "/me/sessions")
    for path in (f"/admin/sessions/{mira.id}/..", f"/admin/sessions/{mira.id}/x/redact", "/me/sessions/x"):
        page(house, admin, path, status=400)


def test_a_session_is_removed_after_a_question(used):
    house, _, mira = used
    t = Transcript(B, rng=random.Random(B))
    t.prompt("Hello")
    upload(house, mira, B, t.body())
    assert "Waits for extraction" in words(page(house, mira, "/me/sessions"))
    asked = page(house, mira, f"/me/sessions/{B}/redact")
    assert f'<form class="redact__ways" method="post" action="/me/sessions/{B}/redact">' in asked
    assert B in page(house, mira, "/me/sessions")
    foreign = {"Origin": "http://evil.test"}
    assert house.post(f"/me/sessions/{B}/redact", cookie=mira.cookie, headers=foreign).status == 403
    done = house.post(f"/me/sessions/{B}/redact", cookie=mira.cookie, headers={"Origin": "http://agnes.test"})
    assert done.status == 200
    assert "Events and figures are gone" in words(done.text)
    assert B not in page(house, mira, "/me/sessions")
    page(house, mira, f"/me/sessions/{B}", status=404)
    assert house.post(f"/admin/sessions/{mira.id}/{B}/redact", cookie=mira.cookie).status == 403


def test_all_of_a_person_is_removed_after_a_question(used):
    house, admin, _ = used
    noah = add_person(house, admin, "noah@example.com")
    t = Transcript(B, rng=random.Random("noah"))
    t.prompt("Hello")
    upload(house, noah, B, t.body())
    assert "all sessions of noah@example.com" in words(page(house, admin, f"/admin/users/{noah.id}/redact"))
    done = house.post(f"/admin/users/{noah.id}/redact", cookie=admin.cookie)
    assert "1 session of noah@example.com" in words(done.text)
    assert "No session was sent yet" in words(page(house, admin, f"/admin/users/{noah.id}"))
    one = house.post(f"/admin/sessions/{noah.id}/{A}/redact", cookie=admin.cookie)
    assert (one.status, "To the sessions" in one.text) == (200, True)
