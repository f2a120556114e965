from __future__ import annotations

import json
from datetime import timedelta

import pytest

from agnes.accounts import sign_ins
from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, add_person, audit, seed_admin, sign_in


def log_in(house, email=ADMIN_EMAIL, password=PASSWORD, **kwargs):
    return house.post("/auth/token", json_body={"email": email, "password": password}, **kwargs)


def cookie_of(answer):
    return next(cookie for cookie in answer.cookies if cookie.startswith("access_token="))


def test_a_password_gives_a_bearer_that_says_who_i_am(house, admin):
    answer = log_in(house).json()
    assert {**answer, "access_token": ""} == {
        "access_token": "",
        "token_type": "bearer",
        "user_id": admin.id,
        "email": ADMIN_EMAIL,
        "role": "admin",
    }
    assert answer["access_token"].startswith("ags_")
    me = house.get("/api/me", token=answer["access_token"]).json()
    assert (me["user_id"], me["email"], me["is_admin"], me["via"]) == (admin.id, ADMIN_EMAIL, True, "login")
    assert [group["name"] for group in me["groups"]] == ["Admin", "Everyone"]


def test_older_clients_sign_in_under_their_name(house, admin):
    answer = house.post("/auth/password/login", json_body={"email": ADMIN_EMAIL, "password": PASSWORD})
    assert answer.status == 200
    assert answer.json()["user_id"] == admin.id


def test_addresses_are_the_same_in_any_case(house, admin):
    assert log_in(house, email=" ADA@Example.com ").status == 200
    assert house.post("/api/users", token=admin.token, json_body={"email": "Ada@EXAMPLE.com"}).status == 409


def test_wrong_password_unknown_person_and_no_password_get_the_same_answer(house, admin):
    house.post("/api/users", token=admin.token, json_body={"email": "new@example.com"})
    answers = [
        log_in(house, password="wrong horse"),
        log_in(house, email="nobody@example.com"),
        log_in(house, email="new@example.com"),
        log_in(house, email="not an address"),
        log_in(house, password="x" * 10_000),
    ]
    assert {answer.status for answer in answers} == {401}
    assert {answer.body for answer in answers} == {answers[0].body}
    assert answers[0].json()["code"] == "invalid_credentials"


def test_a_deactivated_account_is_told_so_only_with_its_password(house, admin):
    bob = add_person(house, admin, "bob@example.com")
    house.post(f"/api/users/{bob.id}/deactivate", token=admin.token)
    assert log_in(house, email=bob.email).json()["code"] == "account_deactivated"
    assert log_in(house, email=bob.email, password="wrong horse").json()["code"] == "invalid_credentials"


def test_a_session_ends_after_a_day(house, admin):
    house.clock.sleep(24 * 3600 - 1)
    assert house.get("/api/me", token=admin.token).status == 200
    house.clock.sleep(1)
    answer = house.get("/api/me", token=admin.token)
    assert (answer.status, answer.json()["code"]) == (401, "session_expired")


def test_sign_ins_of_the_day_before_yesterday_are_removed(house, admin):
    house.clock.sleep(timedelta(days=2, seconds=1).total_seconds())
    sign_in(house, ADMIN_EMAIL)
    assert sign_ins.forget(house.store, now=house.clock.now(), dry_run=True) == 1
    assert sign_ins.forget(house.store, now=house.clock.now()) == 1
    assert len(list(house.store.list("sign-ins/"))) == 1


@pytest.mark.parametrize(
    ("token", "code"),
    [("nonsense", "token_unknown"), ("ags_x", "token_unknown"), ("agp_x", "token_unknown"), ("é" * 9, "token_unknown")],
)
def test_unknown_tokens_are_refused(house, admin, token, code):
    answer = house.get("/api/me", token=token)
    assert (answer.status, answer.json()["code"]) == (401, code)


def test_signing_out_ends_the_session_of_a_bearer(house, admin):
    assert house.post("/auth/logout", token=admin.token).status == 204
    assert house.get("/api/me", token=admin.token).json()["code"] == "session_revoked"
    assert house.post("/auth/logout", token=admin.token).status == 204
    assert house.post("/auth/logout", token="agp_x").status == 204


def test_the_form_sets_a_cookie_and_goes_on(house, admin):
    form = {"email": ADMIN_EMAIL, "password": PASSWORD, "next": "/marketplace?tab=my"}
    answer = house.post("/auth/password/login/web", form=form)
    assert (answer.status, answer.headers["location"]) == (303, "/marketplace?tab=my")
    cookie = cookie_of(answer)
    assert cookie.endswith("; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax")
    me = house.get("/api/me", cookie=cookie.partition(";")[0])
    assert me.json()["via"] == "session"


def test_behind_https_and_a_stage_the_cookie_is_secure_and_links_keep_the_stage(tmp_path):
    with House(tmp_path, environ={"SERVER_URL": "https://agnes.test/prod"}) as house:
        seed_admin(house)
        answer = house.post("/auth/password/login/web", form={"email": ADMIN_EMAIL, "password": PASSWORD, "next": "/a"})
        assert answer.headers["location"] == "/prod/a"
        assert cookie_of(answer).endswith("; Path=/prod; Max-Age=86400; HttpOnly; SameSite=Lax; Secure")
        assert 'action="/prod/auth/password/login/web"' in house.get("/login").text
        house.state.close()


@pytest.mark.parametrize("way", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_the_form_goes_on_within_this_site_only(house, admin, way):
    form = {"email": ADMIN_EMAIL, "password": PASSWORD, "next": way}
    assert house.post("/auth/password/login/web", form=form).headers["location"] == "/marketplace"


def test_a_refused_form_goes_back_and_says_why(house, admin):
    form = {"email": ADMIN_EMAIL, "password": "wrong horse", "next": "/marketplace?q=<b>"}
    answer = house.post("/auth/password/login/web", form=form)
    assert answer.status == 303
    assert not answer.cookies
    page = house.get(answer.headers["location"])
    assert page.status == 200
    assert '<p class="alert alert--error" role="alert">The e-mail address or the password is wrong.</p>' in page.text
    assert 'name="next" value="/marketplace?q=&lt;b&gt;"' in page.text


def test_the_login_page_works_without_script_and_helps_password_managers(house):
    page = house.get("/login?next=/marketplace").text
    assert 'action="/auth/password/login/web"' in page
    assert 'autocomplete="username"' in page
    assert 'autocomplete="current-password"' in page
    assert 'role="alert"' not in page
    assert "Sign out" not in page


def test_an_error_code_that_we_do_not_know_shows_nothing(house):
    assert "pay here" not in house.get("/login?error=pay+here").text


def test_who_is_signed_in_goes_on_from_the_login_page(house, admin):
    answer = house.get("/login?next=/marketplace?tab=my", cookie=admin.cookie)
    assert (answer.status, answer.headers["location"]) == (303, "/marketplace?tab=my")


def test_the_button_signs_out_and_a_link_does_not(house, admin):
    answer = house.get("/auth/logout", cookie=admin.cookie)
    assert answer.status == 303
    assert house.get("/api/me", cookie=admin.cookie).status == 200
    answer = house.post("/auth/logout", cookie=admin.cookie)
    assert (answer.status, answer.headers["location"]) == (303, "/login")
    assert cookie_of(answer).startswith("access_token=; Path=/; Max-Age=0;")
    assert house.get("/api/me", cookie=admin.cookie).json()["code"] == "session_revoked"


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}])
def test_another_site_signs_nobody_in_or_out(house, admin, headers):
    form = {"email": ADMIN_EMAIL, "password": PASSWORD}
    answer = house.post("/auth/password/login/web", form=form, headers=headers)
    assert answer.status == 403
    assert not any(cookie.startswith("access_token") for cookie in answer.cookies)
    assert house.post("/auth/logout", cookie=admin.cookie, headers=headers).status == 403
    assert house.get("/api/me", cookie=admin.cookie).status == 200


def test_five_wrong_passwords_lock_the_account_for_a_while(house, admin):
    for _ in range(5):
        house.clock.sleep(1)
        assert log_in(house, password="wrong horse").status == 401
    house.clock.sleep(1)
    answer = log_in(house)
    assert (answer.status, answer.json()["code"]) == (429, "too_many_attempts")
    assert answer.headers["retry-after"] == "29"
    house.clock.sleep(29)
    assert log_in(house).status == 200
    assert log_in(house, password="wrong horse").status == 401


def test_an_account_that_does_not_exist_locks_as_well(house):
    statuses = [log_in(house, email="nobody@example.com").status for _ in range(6)]
    assert statuses == [401] * 5 + [429]


def test_an_address_that_guesses_waits_for_the_next_minute_and_logins_do_not_count(house, admin):
    for _ in range(12):
        assert log_in(house).status == 200
    statuses = [log_in(house, email=f"p{number}@example.com").status for number in range(11)]
    assert statuses == [401] * 10 + [429]
    assert log_in(house).status == 429
    house.clock.sleep(60)
    assert log_in(house).status == 200


def test_a_form_that_is_refused_for_its_number_says_so_on_the_page(house):
    form = {"email": "nobody@example.com", "password": "wrong horse"}
    answers = [house.post("/auth/password/login/web", form=form) for _ in range(6)]
    assert "Too many attempts" in house.get(answers[-1].headers["location"]).text


def test_logins_leave_their_trace_and_failed_ones_commit_nothing(house, admin):
    before = house.state.generation("people")
    log_in(house, password="wrong horse")
    log_in(house, email="typed my passw0rd here", password="x")
    assert house.state.generation("people") == before
    bodies = [json.loads(house.store.read(entry.key).body) for entry in house.store.list("audit/login_failed/")]
    assert [(row["action"], row["resource"], row["params"]["email"], row["client_ip"]) for row in bodies] == [
        ("login_failed", f"user:{admin.id}", ADMIN_EMAIL, "192.0.2.7"),
        ("login_failed", "user:", "", "192.0.2.7"),
    ]
    house.post("/auth/logout", token=admin.token)
    assert [row for row in audit(house) if row[0].startswith("log")] == [("logout", f"user:{admin.id}", ADMIN_EMAIL)]
    [signed_in] = [json.loads(house.store.read(entry.key).body) for entry in house.store.list("audit/login_succeeded/")]
    assert (signed_in["resource"], signed_in["email"], signed_in["params"], signed_in["client_ip"]) == (
        f"user:{admin.id}",
        ADMIN_EMAIL,
        {"method": "password"},
        "192.0.2.7",
    )


def test_nothing_secret_is_stored(house, admin):
    token = house.post("/auth/tokens", token=admin.token, json_body={"name": "laptop"}).json()["token"]
    house.get("/api/me", token=token)
    stored = b"".join(house.store.read(entry.key).body for entry in house.store.list(""))
    assert PASSWORD.encode() not in stored
    assert admin.token.encode() not in stored
    assert token.encode() not in stored
