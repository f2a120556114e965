"""Codes of an authenticator app and recovery codes, by every way of signing in."""

from __future__ import annotations

import re
from datetime import timedelta

import pyotp
import pytest

from tests.builders.people import PASSWORD, add_person, audit


@pytest.fixture
def bob(house, admin):
    return add_person(house, admin, "bob@example.com")


def act(house, who, **form: str):
    return house.post("/me/profile", cookie=who.cookie, form=form)


def turned_on(house, who) -> tuple[pyotp.TOTP, list[str]]:
    """An app with the account's key, and the recovery codes."""
    page = act(house, who, action="factor_begin").text
    assert "<svg" in page
    app = pyotp.TOTP(re.search(r"<code>([A-Z2-7]{32})</code>", page)[1])
    answer = act(house, who, action="factor_confirm", code=app.at(house.clock.now()))
    assert answer.status == 200, answer.text
    house.clock.sleep(30)
    return app, re.findall(r"<code>([a-z2-7-]{19})</code>", answer.text)


def token(house, who, **more: str):
    return house.post("/auth/token", json_body={"email": who.email, "password": PASSWORD, **more})


def test_signing_in_asks_for_a_code_that_works_once(house, bob):
    app, _ = turned_on(house, bob)
    answer = token(house, bob)
    assert (answer.status, answer.json()["code"]) == (401, "second_factor_required")
    assert "access_token" not in answer.text
    assert token(house, bob, code="000000").json()["code"] == "second_factor_invalid"
    code = app.at(house.clock.now())
    bearer = token(house, bob, code=f" {code[:3]} {code[3:]}").json()["access_token"]
    assert house.get("/api/me", token=bearer).json()["email"] == bob.email
    assert token(house, bob, code=code).json()["code"] == "second_factor_invalid", "it was used"
    house.clock.sleep(30)
    assert token(house, bob, code=code).json()["code"] == "second_factor_invalid"
    assert token(house, bob, code=app.at(house.clock.now())).status == 200


@pytest.mark.parametrize(("steps", "status"), [(-3, 401), (-1, 200), (0, 200), (1, 200), (3, 401)])
def test_clocks_may_differ_by_one_step(house, bob, steps, status):
    app, _ = turned_on(house, bob)
    house.clock.sleep(300)
    assert token(house, bob, code=app.at(house.clock.now() + timedelta(seconds=30 * steps))).status == status


def test_a_wrong_password_says_nothing_of_the_second_factor(house, bob):
    app, _ = turned_on(house, bob)
    wrong = {"email": bob.email, "password": "wrong", "code": app.at(house.clock.now())}
    assert house.post("/auth/token", json_body=wrong).json()["code"] == "invalid_credentials"


def test_recovery_codes_work_once(house, bob):
    _, codes = turned_on(house, bob)
    assert len(set(codes)) == 10
    assert token(house, bob, code=codes[0].upper()).status == 200
    assert token(house, bob, code=codes[0]).json()["code"] == "second_factor_invalid"
    assert token(house, bob, code=codes[1].replace("-", "")).status == 200
    assert "user.recovery_code_used" in [action for action, _, _ in audit(house)]


def test_the_browsers_way(house, bob):
    app, _ = turned_on(house, bob)
    form = {"email": bob.email, "password": PASSWORD, "next": "/me/profile"}
    answer = house.post("/auth/password/login/web", form=form)
    assert answer.headers["location"] == "/login?step=code&next=%2Fme%2Fprofile"
    (pending,) = (cookie.partition(";")[0] for cookie in answer.cookies)
    assert pending.startswith("agnes_code=")
    assert "authenticator app" in house.get("/login?step=code", cookie=pending).text
    assert "authenticator app" not in house.get("/login?step=code").text
    wrong = house.post("/auth/password/login/web", cookie=pending, form={"code": "1", "next": "/me/profile"})
    assert "error=second_factor_invalid" in wrong.headers["location"]
    right = {"code": app.at(house.clock.now()), "next": "/me/profile"}
    for forged in ("", "agnes_code=x.y", pending[:-1] + ("0" if pending[-1] != "0" else "1")):
        answer = house.post("/auth/password/login/web", cookie=forged or None, form=right)
        assert not any(cookie.startswith("access_token=") for cookie in answer.cookies)
    answer = house.post("/auth/password/login/web", cookie=pending, form=right)
    assert answer.headers["location"] == "/me/profile"
    session = next(cookie for cookie in answer.cookies if cookie.startswith("access_token="))
    assert house.get("/me/profile", cookie=session.partition(";")[0]).status == 200


def test_what_is_pending_ends(house, admin, bob):
    app, _ = turned_on(house, bob)

    def pending() -> str:
        answer = house.post("/auth/password/login/web", form={"email": bob.email, "password": PASSWORD})
        return answer.cookies[0].partition(";")[0]

    old = pending()
    house.clock.sleep(301)
    code = {"code": app.at(house.clock.now())}
    assert (
        "error=invalid_credentials" in house.post("/auth/password/login/web", cookie=old, form=code).headers["location"]
    )
    old = pending()
    changed = {"password": "another long secret 7"}
    assert house.post(f"/api/users/{bob.id}/set-password", token=admin.token, json_body=changed).status == 200
    answer = house.post("/auth/password/login/web", cookie=old, form=code)
    assert "error=second_factor_invalid" in answer.headers["location"], "the password was changed in between"


def test_a_link_from_a_mail_is_one_factor_only(house, admin, bob):
    app, _ = turned_on(house, bob)
    made = house.post(f"/api/users/{bob.id}/reset-password", token=admin.token, json_body={})
    secret = re.search(r"token=([\w-]+)", made.text)[1]
    answer = house.post("/auth/password/set", form={"token": secret, "password": "quite another secret 7"})
    assert answer.headers["location"].startswith("/login?step=code")
    assert not any(cookie.startswith("access_token=") for cookie in answer.cookies)
    pending = answer.cookies[0].partition(";")[0]
    done = house.post("/auth/password/login/web", cookie=pending, form={"code": app.at(house.clock.now())})
    assert any(cookie.startswith("access_token=") for cookie in done.cookies)


def test_guessing_is_slowed_down(house, bob):
    app, _ = turned_on(house, bob)
    answer = house.post("/auth/password/login/web", form={"email": bob.email, "password": PASSWORD})
    pending = answer.cookies[0].partition(";")[0]
    for _ in range(5):
        house.post("/auth/password/login/web", cookie=pending, form={"code": "123456"})
    answer = house.post("/auth/password/login/web", cookie=pending, form={"code": app.at(house.clock.now())})
    assert "error=too_many_attempts" in answer.headers["location"]
    house.clock.sleep(31)
    answer = house.post("/auth/password/login/web", cookie=pending, form={"code": app.at(house.clock.now())})
    assert any(cookie.startswith("access_token=") for cookie in answer.cookies), "the owner is not kept out for ever"


def test_turning_it_on_takes_a_right_code_and_ends_other_sign_ins(house, bob):
    other = house.login(bob.email, PASSWORD)
    act(house, bob, action="factor_begin")
    refused = act(house, bob, action="factor_confirm", code="000000")
    assert refused.status == 400
    assert "not the code" in refused.text
    assert token(house, bob).status == 200, "it is not on"
    turned_on(house, bob)
    assert house.get("/api/me", token=other).status == 401
    assert house.get("/api/me", token=bob.token).status == 200
    assert act(house, bob, action="factor_begin").status == 409


def test_turning_it_off_takes_the_password(house, bob):
    turned_on(house, bob)
    assert act(house, bob, action="factor_off", current="wrong").status == 400
    assert act(house, bob, action="factor_off", current=PASSWORD).status == 303
    assert token(house, bob).status == 200


def test_an_admin_resets_it_for_who_lost_the_phone(house, admin, bob):
    turned_on(house, bob)
    path = f"/admin/users/{bob.id}"
    assert "Reset the second factor" in house.get(path, cookie=admin.cookie).text
    assert house.post(path, cookie=admin.cookie, form={"action": "reset_factor"}).status == 303
    assert house.get("/api/me", token=bob.token).status == 401
    assert token(house, bob).status == 200
    assert "user.second_factor_reset" in [action for action, _, _ in audit(house)]


def test_nothing_stored_opens_the_account(house, bob):
    app, codes = turned_on(house, bob)
    with house.state.read("people") as db:
        rows = str(db.execute("SELECT * FROM people.second_factors").fetchall())
        rows += str(db.execute("SELECT * FROM people.recovery_codes").fetchall())
    assert app.secret not in rows
    assert not any(code in rows or code.replace("-", "") in rows for code in codes)
