"""What ends a session or a token ends it everywhere."""

from __future__ import annotations

from tests.builders.guild import Guild
from tests.builders.target import PASSWORD, Target, Visitor


def in_browser(target: Target, email: str) -> Visitor:
    browser = target.visitor()
    browser.post("/auth/password/login/web", data={"email": email, "password": PASSWORD}, expect=303)
    return browser


def test_after_logout_the_cookie_is_dead(guild: Guild):
    mira = guild.person("mira")
    browser = in_browser(guild.target, mira.email)
    cookie = browser.http.cookies["access_token"]
    assert browser.get("/api/me").json()["email"] == mira.email
    browser.post("/auth/logout", expect=303)
    assert "access_token" not in browser.http.cookies
    kept = {"Cookie": f"access_token={cookie}"}
    assert guild.target.visitor().refused("GET", "/api/me", 401, headers=kept)
    thief = guild.target.visitor()
    assert (
        "/login" in thief.get("/marketplace", headers={**kept, "Accept": "text/html"}, expect=302).headers["Location"]
    )
    assert mira.get("/api/me"), "her other session goes on"
    mira.post("/auth/logout", expect=204)
    mira.refused("GET", "/api/me", 401)


def test_a_revoked_token_opens_nothing(guild: Guild):
    mira = guild.person("mira")
    made, other = mira.make_token("laptop"), mira.make_token("desktop")
    bearer = guild.target.visitor(made["token"])
    assert bearer.get("/api/me").json()["via"] == "token"
    assert made["token"] not in mira.get("/auth/tokens").text, "it was shown once"
    mira.delete(f"/auth/tokens/{made['id']}", expect=204)
    for path in ("/api/me", "/api/marketplace/items", "/marketplace.zip", "/marketplace/info"):
        assert bearer.refused("GET", path, 401)
    guild.target.visitor(other["token"]).get("/api/me", expect=200)


def test_a_token_is_nobody_elses_to_see_or_revoke(guild: Guild):
    mira, omar = guild.person("mira"), guild.person("omar")
    made = mira.make_token()
    omar.refused("GET", f"/auth/tokens/{made['id']}", 404)
    omar.refused("DELETE", f"/auth/tokens/{made['id']}", 404)
    guild.admin.delete(f"/auth/admin/tokens/{made['id']}", expect=204)
    guild.target.visitor(made["token"]).refused("GET", "/api/me", 401)


def test_a_deactivated_account_is_out_at_once(guild: Guild):
    mira = guild.person("mira")
    token = guild.target.visitor(mira.make_token()["token"])
    browser = in_browser(guild.target, mira.email)
    guild.admin.post(f"/api/users/{mira.id}/deactivate", expect=200)
    for way_in in (mira, token, browser):
        way_in.refused("GET", "/api/me", 401)
    answer = {"email": mira.email, "password": PASSWORD}
    guild.target.visitor().refused("POST", "/auth/token", 401, json=answer)
    guild.admin.post(f"/api/users/{mira.id}/activate", expect=200)
    guild.target.sign_in(mira.email).get("/api/me", expect=200)


def test_a_new_password_ends_the_sessions(guild: Guild):
    mira = guild.person("mira")
    guild.admin.post(f"/api/users/{mira.id}/set-password", json={"password": "another battery"}, expect=200)
    mira.refused("GET", "/api/me", 401)
    guild.target.visitor().refused("POST", "/auth/token", 401, json={"email": mira.email, "password": PASSWORD})
    guild.target.sign_in(mira.email, "another battery").get("/api/me", expect=200)
