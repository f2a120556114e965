from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from agnes.accounts import first_start
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret
from functions.accounts.cron_first_start import app as job
from functions.accounts.cron_prune import app as prune
from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, add_person, audit, seed_admin, sign_in


def prepare(house, email="", password=""):
    secret = Secret(password) if password else None
    return first_start.prepare(house.state, seed_email=email, seed_password=secret, now=house.clock.now())


def bootstrap(house, secret, **changed):
    body = {"secret": secret, "email": "first@example.com", "name": "First", "password": PASSWORD, **changed}
    return house.post("/auth/bootstrap", json_body=body)


def test_the_seeded_admin_signs_in_and_a_second_start_changes_nothing(house):
    assert prepare(house, ADMIN_EMAIL, PASSWORD) == first_start.FirstStart(ADMIN_EMAIL, None)
    assert sign_in(house, ADMIN_EMAIL)
    generation = house.state.generation("people")
    assert prepare(house, ADMIN_EMAIL, PASSWORD) == first_start.FirstStart("", None)
    assert house.state.generation("people") == generation


def test_a_seed_never_overwrites_a_password(house):
    prepare(house, ADMIN_EMAIL, PASSWORD)
    prepare(house, ADMIN_EMAIL, "something else")
    assert sign_in(house, ADMIN_EMAIL)


def test_a_seeded_password_that_is_easy_to_guess_is_refused(house):
    with pytest.raises(BadRequestError, match="easy to guess"):
        prepare(house, ADMIN_EMAIL, "password1234")
    with house.state.read("people") as db:
        assert db.execute("SELECT count(*) FROM people.users").fetchone() == (0,)


def test_a_seed_makes_an_existing_account_an_admin(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    prepare(house, "BOB@example.com", "something else")
    assert house.get("/api/me", token=bob.token).json()["is_admin"]
    assert sign_in(house, bob.email)


def test_a_seed_without_a_password_waits_for_the_setup_link(house):
    found = prepare(house, ADMIN_EMAIL)
    assert found.seeded_email == ADMIN_EMAIL
    answer = bootstrap(house, found.setup_secret.value, email=ADMIN_EMAIL, name="Ada")
    assert answer.status == 200
    me = house.get("/api/me", token=answer.json()["access_token"]).json()
    assert (me["email"], me["name"], me["is_admin"]) == (ADMIN_EMAIL, "Ada", True)
    assert len(house.get("/api/users", token=answer.json()["access_token"]).json()) == 1


def test_the_setup_secret_makes_one_admin_and_then_never_works_again(house):
    secret = prepare(house).setup_secret.value
    answer = bootstrap(house, secret)
    assert answer.status == 200
    assert {**answer.json(), "access_token": "", "user_id": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "user_id": "",
        "email": "first@example.com",
        "role": "admin",
    }
    again = bootstrap(house, secret, email="second@example.com")
    assert (again.status, again.json()["code"]) == (403, "setup_closed")
    assert prepare(house).setup_secret is None
    assert sign_in(house, "first@example.com")
    assert [row[0] for row in audit(house)][:2] == ["bootstrap_opened", "bootstrap_completed"]


@pytest.mark.parametrize("secret", ["", "guess", "é"])
def test_a_wrong_secret_opens_nothing(house, secret):
    prepare(house)
    answer = bootstrap(house, secret)
    assert (answer.status, answer.json()["code"]) == (403, "setup_secret_invalid")


def test_without_a_start_there_is_no_secret_to_guess(house):
    assert bootstrap(house, "").json()["code"] == "setup_secret_invalid"


def test_a_newer_secret_replaces_the_older(house):
    old, new = prepare(house).setup_secret.value, prepare(house).setup_secret.value
    assert bootstrap(house, old).status == 403
    assert bootstrap(house, new).status == 200


def test_a_secret_lasts_a_day(house):
    secret = prepare(house).setup_secret.value
    house.clock.sleep(24 * 3600)
    assert bootstrap(house, secret).json()["code"] == "setup_secret_invalid"


def test_the_secret_is_asked_for(house):
    answer = house.post("/auth/bootstrap", json_body={"email": "first@example.com", "password": PASSWORD})
    assert answer.status == 422


def test_wrong_fields_do_not_use_the_secret_up(house):
    secret = prepare(house).setup_secret.value
    assert bootstrap(house, secret, password="short").json()["code"] == "bad_password"
    assert bootstrap(house, secret, email="x").json()["code"] == "invalid_email"
    assert bootstrap(house, secret).status == 200


def test_guessing_is_limited(house):
    secret = prepare(house).setup_secret.value
    assert [bootstrap(house, "guess").status for _ in range(4)] == [403, 403, 403, 429]
    assert bootstrap(house, secret).status == 429
    house.clock.sleep(60)
    assert bootstrap(house, secret).status == 200


def test_of_two_at_once_one_becomes_the_admin(house):
    secret = prepare(house).setup_secret.value
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda email: bootstrap(house, secret, email=email), ["a@example.com", "b@example.com"])
        )
    assert sorted(answer.status for answer in answers) == [200, 403]
    with house.state.read("people") as db:
        assert db.execute("SELECT count(*) FROM people.users").fetchone() == (1,)


def test_the_page_makes_the_admin_and_signs_in(house):
    secret = prepare(house).setup_secret.value
    page = house.get(f"/setup?secret={secret}")
    assert page.status == 200
    assert f'name="secret" value="{secret}"' in page.text
    assert 'autocomplete="new-password"' in page.text
    form = {"secret": secret, "email": "first@example.com", "name": "<First>", "password": "short"}
    refused = house.post("/setup", form=form)
    assert refused.status == 400
    assert 'role="alert"' in refused.text
    assert 'value="&lt;First&gt;"' in refused.text
    answer = house.post("/setup", form={**form, "password": PASSWORD})
    assert (answer.status, answer.headers["location"]) == (303, "/marketplace")
    cookie = next(cookie for cookie in answer.cookies if cookie.startswith("access_token=ags_"))
    assert house.get("/api/me", cookie=cookie.partition(";")[0]).json()["is_admin"]
    closed = house.get(f"/setup?secret={secret}")
    assert closed.status == 403
    assert "the set-up is finished" in closed.text.lower()


def test_the_page_is_closed_without_its_secret(house):
    prepare(house)
    assert house.get("/setup").status == 403
    assert house.get("/setup?secret=guess").status == 403


def test_the_job_tells_the_link_to_who_invoked_it_and_keeps_it_nowhere(house):
    answer = job.run({}, None)
    secret = answer["setup_url"].removeprefix("http://agnes.test/setup?secret=")
    assert answer["report"] == {"seeded_email": "", "setup_opened": True}
    stored = b"".join(house.store.read(entry.key).body for entry in house.store.list(""))
    assert b'"setup_opened":true' in stored
    assert secret.encode() not in stored
    assert bootstrap(house, secret).status == 200
    assert "setup_url" not in job.run({}, None)


def test_the_job_seeds_from_the_settings_and_a_dry_run_does_not(tmp_path):
    environ = {"SEED_ADMIN_EMAIL": "Seed@example.com", "SEED_ADMIN_PASSWORD": PASSWORD}
    with House(tmp_path, environ=environ) as house:
        assert job.run({"dry_run": True}, None)["report"]["seeded_email"] == "seed@example.com"
        with house.state.read("people") as db:
            assert db.execute("SELECT count(*) FROM people.users").fetchone() == (0,)
        assert job.run({}, None)["report"] == {"seeded_email": "seed@example.com", "setup_opened": False}
        assert sign_in(house, "seed@example.com")
        house.state.close()


def test_the_nightly_job_removes_the_counters_of_past_days(house):
    seed_admin(house)
    house.clock.sleep(3 * 86_400)
    sign_in(house, ADMIN_EMAIL)
    assert prune.run({"dry_run": True}, None)["report"] == {"removed": 2, "sign_ins": 1}
    assert prune.run({}, None)["report"] == {"removed": 2, "sign_ins": 1}
    assert {entry.key.split("/")[1] for entry in house.store.list("limits/")} == {"2026-11-26"}
