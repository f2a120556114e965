"""The profile and the page that connects Claude Code."""

from __future__ import annotations

import random
import re

import pytest

from tests.builders.people import PASSWORD, add_person, sign_in
from tests.builders.telemetry_house import run_usage, upload
from tests.builders.transcripts import Transcript

NEW = "a-quite-different-phrase-4"


@pytest.fixture
def bob(house, admin):
    return add_person(house, admin, "bob@example.com", name="Bob")


def post(house, who, **form):
    return house.post("/me/profile", cookie=f"access_token={who.token}", form=form)


def test_a_token_is_shown_once_and_works(house, bob):
    made = post(house, bob, action="create_token", name="Build", expires="30")
    assert made.status == 200
    token = re.search(r"agp_[\w-]+", made.text)[0]
    assert house.get("/api/me", token=token).json()["email"] == "bob@example.com"
    again = house.get("/me/profile", token=bob.token).text
    assert token not in again
    assert "Build" in again


def test_a_token_makes_no_tokens_and_changes_no_password(house, bob):
    token = re.search(r"agp_[\w-]+", post(house, bob, action="create_token", name="Build").text)[0]
    shown = house.get("/me/profile", token=token)
    assert shown.status == 200
    assert "Create token" not in shown.text
    for form in ({"action": "create_token", "name": "x"}, {"action": "password", "current": PASSWORD, "new": NEW}):
        assert house.post("/me/profile", token=token, form=form).status == 403


def test_a_password_is_changed_by_who_knows_it(house, bob):
    elsewhere = sign_in(house, "bob@example.com")
    wrong = post(house, bob, action="password", current="something else", new=NEW)
    assert wrong.status == 400
    assert "This is not your current password." in wrong.text
    weak = post(house, bob, action="password", current=PASSWORD, new="bob@example.com")
    assert weak.status == 400
    assert house.get("/api/me", token=elsewhere.token).status == 200
    assert post(house, bob, action="password", current=PASSWORD, new=NEW).status == 303
    assert house.get("/api/me", token=elsewhere.token).status == 401
    assert house.get("/api/me", token=bob.token).status == 200
    assert sign_in(house, "bob@example.com", NEW).id == bob.id


def test_guesses_of_the_current_password_are_limited(house, bob):
    statuses = [post(house, bob, action="password", current=f"guess {n}", new=NEW).status for n in range(12)]
    assert statuses[:10] == [400] * 10
    assert statuses[10:] == [429, 429]


def test_signing_out_elsewhere_leaves_this_one_and_tokens(house, bob):
    elsewhere = sign_in(house, "bob@example.com")
    token = re.search(r"agp_[\w-]+", post(house, bob, action="create_token", name="Build").text)[0]
    assert post(house, bob, action="sign_out_elsewhere").status == 303
    assert house.get("/api/me", token=elsewhere.token).status == 401
    assert house.get("/api/me", token=bob.token).status == 200
    assert house.get("/api/me", token=token).status == 200


def test_steps_tick_themselves(house, admin, bob):
    def done() -> int:
        return house.get("/me/connect", token=bob.token).text.count('<li class="is-done">')

    assert done() == 0
    token = re.search(r"agp_[\w-]+", post(house, bob, action="create_token", name="agnes login").text)[0]
    assert done() == 0
    house.get("/api/me", token=token)
    assert done() == 2
    transcript = Transcript("5d2c8a10-0001-4f00-9a00-00000000abcd", rng=random.Random(1))
    transcript.prompt("Hello")
    upload(house, bob, transcript.session, transcript.body())
    run_usage(house, admin)
    assert done() == 5


def test_admins_see_settings_for_laptops(house, admin, bob):
    assert "strictKnownMarketplaces" in house.get("/me/connect", token=admin.token).text
    assert "strictKnownMarketplaces" not in house.get("/me/connect", token=bob.token).text
