"""Asking in words, from the question to the rows, with a Messages API that is scripted on loopback."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders.answering_api import CUT_OFF, KEY, REFUSED, Answer, AnsweringApi, failed, message, said, wrote
from tests.builders.asking import environ, expected_rows, fill, samples, values
from tests.builders.house import House
from tests.builders.people import add_person, seed_admin

pytestmark = pytest.mark.slow

ROUTES = ("/api/admin/usage/ask", "/api/admin/telemetry/ask")
SESSIONS = "SELECT count(*) AS sessions FROM usage_session_summary"
GOOD = wrote(SESSIONS, "Counts all sessions.")
ANSWERS = {
    "How many sessions?": GOOD,
    "And by person?": wrote("SELECT user_id, count(*) AS n FROM usage_session_summary GROUP BY ALL"),
    "Delete them": wrote("WITH d AS (DELETE FROM usage_events RETURNING *) SELECT * FROM d", "Deletes."),
    "What is the weather?": wrote("", "These tables say nothing of weather."),
    "Guess a column": wrote("SELECT moods FROM usage_users"),
    "Cut off twice": [CUT_OFF, CUT_OFF, GOOD],
    "Cut off for ever": CUT_OFF,
    "Overloaded once": [failed(529), GOOD],
    "Down": failed(500),
    "No JSON once": [said("Sure! Here is the SQL:"), GOOD],
    "No JSON ever": said("Sure!"),
    "A list": said("[1]"),
    "Half of it": said('{"sql": "SELECT 1"}'),
    "No text": said('{"sql": 5, "rationale": null}'),
    "A proxy": Answer(page="<html>Sign in to the proxy</html>"),
    "Something bad": REFUSED,
    "Too fast": failed(429),
    "A wrong model": failed(404),
    "Half a character": said('{"sql": "SELECT 1 AS one", "rationale": "\\ud83d"}'),
    "Wide rows": wrote("SELECT repeat('x', 1500000) AS x FROM range(9)"),
    "Many rows": wrote("SELECT i FROM range(1200) t(i)"),
}


@pytest.fixture(scope="module")
def api():
    with AnsweringApi(ANSWERS) as api:
        yield api


@pytest.fixture(scope="module")
def house(tmp_path_factory, api):
    with House(tmp_path_factory.mktemp("house"), environ=environ(api.url)) as house:
        yield house


@pytest.fixture(scope="module")
def people(house):
    ada = seed_admin(house)
    return {"ada": ada, "mira": add_person(house, ada, "mira@example.com")}


@pytest.fixture
def ask(house, people):
    def ask(question, *, who="ada", route=ROUTES[0], **more):
        return house.post(route, token=people[who].token, json_body={"question": question, **more})

    return ask


def audited(house):
    lines = [json.loads(house.store.read(entry.key).body) for entry in house.store.list("audit/usage_ask/")]
    return sorted(lines, key=lambda line: line["id"])


@pytest.mark.parametrize("route", ROUTES)
def test_sql_and_rows_come_back_and_the_audit_has_both(house, api, ask, people, route):
    answer = ask("  How many sessions? ", route=route).json()
    took = answer.pop("llm_ms"), answer.pop("exec_ms")
    assert all(isinstance(value, float) for value in took)
    assert answer == {
        "question": "How many sessions?",
        "sql": SESSIONS,
        "rationale": "Counts all sessions.",
        "columns": ["sessions"],
        "rows": [{"sessions": 0}],
        "row_count": 1,
        "truncated": False,
        "rejected": None,
        "cut": False,
    }
    line = audited(house)[-1]
    assert (line["action"], line["result"], line["email"]) == ("usage.ask", "ok", people["ada"].email)
    assert line["params"] == {
        "question": "How many sessions?",
        "sql": SESSIONS,
        "row_count": 1,
        "llm_ms": took[0],
        "exec_ms": took[1],
    }


def test_what_the_model_is_told(api, ask):
    ask("How many sessions?")
    sent = api.requests[-1]
    assert (sent["model"], sent["max_tokens"]) == ("claude-haiku-4-5-20251001", 1024)
    assert sent["output_config"]["format"]["schema"]["required"] == ["sql", "rationale"]
    assert sent["messages"] == [{"role": "user", "content": "How many sessions?"}]
    system = sent["system"]
    assert "Today is 2026-11-23" in system
    for table in ("usage_events", "usage_session_summary", "usage_users", "usage_tool_daily"):
        assert re.search(rf"^{table}: ", system, re.MULTILINE)
    assert "  is_error BOOLEAN: the invocation failed or was denied" in system
    assert "password" not in system
    assert "token_hash" not in system


def test_a_follow_up_carries_the_conversation(api, ask):
    assert ask("And by person?", history=[{"question": "How many sessions?", "sql": SESSIONS}]).status == 200
    assert [(turn["role"], turn["content"]) for turn in api.requests[-1]["messages"]] == [
        ("user", "How many sessions?"),
        ("assistant", SESSIONS),
        ("user", "And by person?"),
    ]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Delete them", "DELETE inside of a SELECT is not run"),
        ("What is the weather?", "the model found no SQL for it. These tables say nothing of weather."),
    ],
)
def test_sql_that_is_not_run_says_why(house, ask, question, reason):
    answer = ask(question)
    assert answer.status == 200
    found = answer.json()
    assert (found["rejected"], found["rows"], found["row_count"], found["exec_ms"]) == (reason, None, 0, None)
    line = audited(house)[-1]
    assert (line["result"], line["params"]["rejected"]) == ("error.invalid_sql", reason)


def test_sql_that_fails_is_a_400_with_what_duckdb_says(house, ask):
    answer = ask("Guess a column")
    assert answer.status == 400
    found = answer.json()
    assert found["code"] == "exec_failed"
    assert 'Referenced column "moods" not found' in found["message"]
    assert found["sql"] == "SELECT moods FROM usage_users"
    line = audited(house)[-1]
    assert line["result"] == "error.exec_failed"
    assert "moods" in line["params"]["error"]


def test_the_first_thousand_rows_are_answered(ask):
    found = ask("Many rows").json()
    assert (len(found["rows"]), found["row_count"], found["truncated"], found["cut"]) == (1000, 1200, True, False)


def test_of_wide_rows_it_says_that_there_are_more(house, people, ask):
    found = ask("Wide rows").json()
    assert len(found["rows"]) == found["row_count"] < 5
    assert (found["truncated"], found["cut"]) == (True, True)
    shown = page(house, people, question="Wide rows").text
    assert f"{found['row_count']} or more rows" in " ".join(shown.split())


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        ("", 400, "invalid_question"),
        (" \n", 400, "invalid_question"),
        ("x" * 1001, 400, "invalid_question"),
        ("Cut off for ever", 502, "model_output_unusable"),
        ("No JSON ever", 502, "model_output_unusable"),
        ("A list", 502, "model_output_unusable"),
        ("Half of it", 502, "model_output_unusable"),
        ("No text", 502, "model_output_unusable"),
        ("A proxy", 503, "model_unavailable"),
        ("Something bad", 400, "model_refused"),
        ("Too fast", 503, "model_unavailable"),
        ("Down", 503, "model_unavailable"),
        ("A wrong model", 503, "model_unavailable"),
    ],
)
def test_no_answer_says_why_and_is_not_audited(house, ask, question, status, code):
    before = len(audited(house))
    answer = ask(question)
    assert (answer.status, answer.json()["code"]) == (status, code)
    assert answer.json()["hint"]
    assert KEY not in answer.text
    assert len(audited(house)) == before


@pytest.mark.parametrize(
    ("question", "tokens"),
    [
        ("Cut off twice", [1024, 2048, 4096]),
        ("Overloaded once", [1024, 1024]),
        ("No JSON once", [1024, 1024]),
        ("Half a character", [1024]),
    ],
)
def test_it_asks_again_up_to_three_times(api, ask, question, tokens):
    assert ask(question).status == 200
    asked = [sent["max_tokens"] for sent in api.requests if sent["messages"][-1]["content"] == question]
    assert asked == tokens


def test_only_an_admin_asks(house, ask):
    assert house.post(ROUTES[0], json_body={"question": "x"}).status == 401
    assert ask("How many sessions?", who="mira").status == 403


@pytest.mark.parametrize(
    "history",
    [
        [{"question": "x", "sql": "y"}] * 6,
        [{"question": "x" * 1001, "sql": "y"}],
        [{"question": "x", "sql": "y" * 20_001}],
    ],
)
def test_history_is_bounded(ask, history):
    answer = ask("How many sessions?", history=history)
    assert (answer.status, answer.json()["code"]) == (400, "too_many_turns")


@pytest.mark.parametrize(
    "body", [{}, {"question": 1}, {"question": "x", "history": "y"}, {"question": "x", "more": 1}, []]
)
def test_a_body_of_another_shape(house, people, body):
    assert house.post(ROUTES[0], token=people["ada"].token, json_body=body).status == 422


def test_without_a_key_and_with_a_wrong_one(tmp_path, api):
    with House(tmp_path / "none", environ={"ANTHROPIC_BASE_URL": api.url}) as house:
        ada = seed_admin(house)
        answer = house.post(ROUTES[0], token=ada.token, json_body={"question": "How many sessions?"})
        assert (answer.status, answer.json()["code"]) == (503, "model_not_configured")
        assert "ANTHROPIC_API_KEY" in answer.json()["hint"]
        shown = house.post("/admin/ask", cookie=ada.cookie, form={"question": "How many sessions?"})
        assert shown.status == 503
        assert "there is no API key" in shown.text
    wrong = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-ant-another-key"}
    with House(tmp_path / "wrong", environ=wrong) as house:
        answer = house.post(ROUTES[0], token=seed_admin(house).token, json_body={"question": "How many sessions?"})
        assert (answer.status, answer.json()["code"]) == (503, "model_unavailable")
        assert "does not take the key" in answer.text
        assert "sk-ant" not in answer.text


def test_a_key_that_was_put_with_the_secrets_works_at_once(tmp_path, api):
    from agnes.kernel.ports import Secret

    with House(tmp_path, environ={"ANTHROPIC_BASE_URL": api.url}) as house:
        ada = seed_admin(house)
        body = {"question": "How many sessions?"}
        assert house.post(ROUTES[0], token=ada.token, json_body=body).status == 503
        house.wiring.secrets.put("anthropic", Secret(KEY))
        assert house.post(ROUTES[0], token=ada.token, json_body=body).status == 200


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        pytest.param(Answer(raw=b""), "model_unavailable", id="empty"),
        pytest.param(Answer(raw=b"{"), "model_unavailable", id="cut"),
        pytest.param(Answer(raw=b"\xff\xfe"), "model_unavailable", id="bytes"),
        pytest.param(Answer(raw=b"null"), "model_unavailable", id="null"),
        pytest.param(Answer(raw=DEEP.encode()), "model_unavailable", id="deep"),
        pytest.param(Answer(raw=b"", status=204), "model_unavailable", id="no-content"),
        pytest.param(message(content=None), "model_unavailable", id="content-null"),
        pytest.param(message(content=[None]), "model_output_unusable", id="block-null"),
        pytest.param(message(content=[5, [], {}]), "model_output_unusable", id="blocks"),
        pytest.param(message(content=[{"type": "text"}]), "model_output_unusable", id="no-text"),
        pytest.param(message(content=[{"type": "text", "text": {}}]), "model_output_unusable", id="text-object"),
        pytest.param(message(content=[{"type": "text", "text": DEEP}]), "model_output_unusable", id="text-deep"),
        pytest.param(message(stop_reason=5, content=[]), "model_output_unusable", id="stop-reason"),
    ],
)
def test_an_api_that_answers_nonsense_is_an_answer_of_its_own(answer, code):
    from agnes.kernel.errors import AgnesError
    from agnes.kernel.llm import ChatMessage, Prompt
    from agnes.kernel.ports import Secret
    from agnes.outside.claude import Claude

    schema = {"required": ["sql"], "properties": {"sql": {"type": "string"}}}
    with AnsweringApi({"x": answer}) as api:
        with pytest.raises(AgnesError) as refused:
            Claude(lambda: Secret(KEY), base_url=api.url).answer(Prompt("m", "", (ChatMessage("user", "x"),), schema))
        assert refused.value.code == code


def test_a_model_that_is_slow_is_given_up():
    from agnes.kernel.llm import ChatMessage, ModelUnavailable, Prompt
    from agnes.kernel.ports import Secret
    from agnes.outside.claude import Claude

    with AnsweringApi({"x": Answer("{}", after_seconds=2)}) as slow:
        prompt = Prompt("m", "", (ChatMessage("user", "x"),), {"required": []}, seconds=0.3)
        with pytest.raises(ModelUnavailable, match=r"no answer within 0\.3 seconds"):
            Claude(lambda: Secret(KEY), base_url=slow.url).answer(prompt)


def page(house, people, **form):
    return house.post("/admin/ask", cookie=people["ada"].cookie, form=form)


def carried(text):
    import html

    return html.unescape(re.search(r'name="history" value="([^"]*)"', text)[1])


def test_the_page_asks_without_script(house, people):
    empty = house.get("/admin/ask", cookie=people["ada"].cookie)
    assert empty.status == 200
    assert empty.text.count('name="question"') == 5  # the box and four examples
    first = page(house, people, question="How many sessions?")
    assert first.status == 200
    assert 'class="num">0</td>' in first.text
    assert SESSIONS in first.text
    assert json.loads(carried(first.text)) == [{"question": "How many sessions?", "sql": SESSIONS}]
    second = page(house, people, question="And by person?", history=carried(first.text))
    assert "Earlier in this conversation" in second.text
    assert "No rows" in second.text
    assert len(json.loads(carried(second.text))) == 2


def test_the_page_tells_its_troubles_apart(house, people):
    rejected = page(house, people, question="Delete them")
    assert (rejected.status, "Not run:" in rejected.text) == (200, True)
    failing = page(house, people, question="Guess a column")
    assert (failing.status, "The SQL failed:" in failing.text) == (400, True)
    assert ">Guess a column</textarea>" in failing.text
    nothing = page(house, people, question="")
    assert (nothing.status, "it is empty" in nothing.text) == (400, True)
    for history in ("{", "[1]", '[{"question": 1, "sql": ""}]', json.dumps([{"question": "x", "sql": ""}] * 6)):
        assert page(house, people, question="How many sessions?", history=history).status == 400
    escaped = page(house, people, question="<script>alert(1)</script>")
    assert "<script>alert" not in escaped.text


def test_the_page_is_for_admins_and_takes_no_other_site(house, people):
    assert house.get("/admin/ask").status == 302
    assert house.get("/admin/ask", cookie=people["mira"].cookie).status == 403
    foreign = house.post(
        "/admin/ask",
        cookie=people["ada"].cookie,
        form={"question": "How many sessions?"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert foreign.status == 403


@pytest.mark.slow
def test_forty_questions_over_a_house_that_can_be_counted_by_hand(tmp_path):
    pairs = samples("questions")
    assert len(pairs) >= 40
    api = AnsweringApi({pair.name: wrote(pair.sql) for pair in pairs})
    with api, House(tmp_path, environ=environ(api.url)) as house:
        ada = fill(house)["ada"]

        def ask(pair):
            return house.post(ROUTES[0], token=ada.token, json_body={"question": pair.name})

        with ThreadPoolExecutor(3) as pool:
            answers = list(pool.map(ask, pairs))
        wrong = [
            f"{pair.name}: {answer.text[:400]}"
            for pair, answer in zip(pairs, answers, strict=True)
            if answer.status != 200 or answer.json()["rejected"] or values(answer.json()["rows"]) != expected_rows(pair)
        ]
    assert not wrong, "\n".join(wrong)


def test_the_examples_run_and_every_column_has_a_comment(tmp_path):
    from agnes.sql import locked
    from agnes.telemetry.ask import database, digest
    from agnes.telemetry.ask.comments import COMMENTS

    with House(tmp_path) as house:
        fill(house)
        today = house.clock.now().date()
        with database.made(house.state) as made:
            database.with_events(made, house.state, house.store)
            rows = [locked.run(sql, made.path, made.names).rows for _, sql in digest.examples_of(today)]
            columns = {(table.name, column.name) for table in made.tables for column in table.columns}
            silent = [(t.name, c.name) for t in made.tables for c in t.columns if not c.comment]
            silent += [t.name for t in made.tables if not t.comment]
    assert rows[0][0] == ["finops", "curated", 6, 3]
    assert [row[1] for row in rows[1]] == [1, 1, 2, 1][-len(rows[1]) :]
    assert rows[2][0] == ["ben@example.com", "claude-opus-4-1", 1500]
    assert not silent, "write about them in telemetry/ask/comments.py"
    stale = {(table, column) for table, words in COMMENTS.items() for column in words if column} - columns
    assert not stale, "they are no longer there"
