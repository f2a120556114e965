"""`agnes admin ask` against a house whose model is scripted."""

from __future__ import annotations

import json

import pytest

from tests.builders.answering_api import AnsweringApi, wrote
from tests.builders.asking import environ
from tests.builders.house import House
from tests.builders.house_server import HouseServer
from tests.builders.people import seed_admin
from tests.unit.cli.conftest import Laptop

pytestmark = pytest.mark.slow

PEOPLE = "SELECT email, active\nFROM usage_users ORDER BY email"
ANSWERS = {
    "Who is there?": wrote(PEOPLE, "Lists accounts."),
    "How many?": wrote("SELECT count(*) AS people FROM usage_users"),
    "Drop them": wrote("DROP TABLE usage_users"),
    "Guess": wrote("SELECT mood FROM usage_users"),
}


@pytest.fixture(scope="module")
def api():
    with AnsweringApi(ANSWERS) as api:
        yield api


@pytest.fixture
def laptop(tmp_path, api):
    with House(tmp_path / "house", environ=environ(api.url)) as house, HouseServer(house) as server:
        ada = seed_admin(house)
        laptop = Laptop(tmp_path / "home", tmp_path / "ws", server.url)
        laptop.home.mkdir()
        laptop.workspace.mkdir()
        made = house.post("/auth/tokens", token=ada.token, json_body={"name": "laptop"}).json()["token"]
        assert laptop.agnes("login", "--token-stdin", stdin=made + "\n").returncode == 0
        yield laptop


def test_a_question_and_its_follow_up(laptop, api):
    done = laptop.agnes("admin", "ask", "Who is there?")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["email", "active", "ada@example.com", "yes"]
    assert "  SELECT email, active\n  FROM usage_users ORDER BY email\nLists accounts.\n" in done.stderr
    assert "1 row in" in done.stderr
    followed = laptop.agnes("admin", "ask", "How many?", "--follow-up", "--json")
    assert json.loads(followed.stdout)["rows"] == [{"people": 1}]
    assert [turn["content"] for turn in api.requests[-1]["messages"]] == ["Who is there?", PEOPLE, "How many?"]
    laptop.agnes("admin", "ask", "How many?")
    assert len(api.requests[-1]["messages"]) == 1


def test_what_is_not_run_and_what_fails(laptop):
    rejected = laptop.agnes("admin", "ask", "Drop them")
    assert rejected.returncode == 1
    assert "Not run: only SELECT is run, and this is DROP" in rejected.stderr
    failed = laptop.agnes("admin", "ask", "Guess")
    assert failed.returncode == 1
    assert "  SELECT mood FROM usage_users" in failed.stderr
    assert 'Referenced column "mood" not found' in failed.stderr
    assert laptop.agnes("admin", "ask", " ").returncode == 2


def test_lines_are_a_conversation(laptop, api):
    done = laptop.agnes("admin", "ask", stdin="Who is there?\n\nHow many?\nGuess\nnew\nHow many?\nexit\nnever\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["email", "active", "ada@example.com", "yes", "people", "1", "people", "1"]
    assert [len(sent["messages"]) for sent in api.requests[-4:]] == [1, 3, 5, 1]
