"""What ends a session or a token ends it everywhere."""

from __future__ import annotations

from tests.builders.demo_marketplace import DemoMarketplace
from tests.builders.target import PASSWORD, Target, Visitor


def in_browser(target: Target, email: str) -> Visitor:
    browser = target.visitor()
    browser.post("/auth/password/login/web", data={"email": email, "password": PASSWORD}, expect=303)
    return browser


def test_after_logout_the_cookie_is_dead(demo: DemoMarketplace):
    mira = demo.person("mira")
    browser = in_browser(demo.target, mira.email)
    cookie = browser.http.cookies["access_token"]
    assert browser.get("/api/me").json()["email"] == mira.email
    browser.post("/auth/logout", expect=303)
    assert "access_token" not in browser.http.cookies
    kept = {"Cookie": f"access_token={cookie}"}
    assert demo.target.visitor().refused("GET", "/api/me", 401, headers=kept)
    thief = demo.target.visitor()
    assert (
        "/login" in thief.get("/marketplace", headers={**kept, "Accept": "text/html"}, expect=302).headers["Location"]
    )
    assert mira.get("/api/me"), "her other session goes on"
    mira.post("/auth/logout", expect=204)
    mira.refused("GET", "/api/me", 401)


def test_a_revoked_token_opens_nothing(demo: DemoMarketplace):
    mira = demo.person("mira")
    made, other = mira.make_token("laptop"), mira.make_token("desktop")
    bearer = demo.target.visitor(made["token"])
    assert bearer.get("/api/me").json()["via"] == "token"
    assert made["token"] not in mira.get("/auth/tokens").text, "it was shown once"
    mira.delete(f"/auth/tokens/{made['id']}", expect=204)
    for path in ("/api/me", "/api/marketplace/items", "/marketplace.zip", "/marketplace/info"):
        assert bearer.refused("GET", path, 401)
    demo.target.visitor(other["token"]).get("/api/me", expect=200)


def test_a_token_is_nobody_elses_to_see_or_revoke(demo: DemoMarketplace):
    mira, omar = demo.person("mira"), demo.person("omar")
    made = mira.make_token()
    omar.refused("GET", f"/auth/tokens/{made['id']}", 404)
    omar.refused("DELETE", f"/auth/tokens/{made['id']}", 404)
    demo.admin.delete(f"/auth/admin/tokens/{made['id']}", expect=204)
    demo.target.visitor(made["token"]).refused("GET", "/api/me", 401)


def test_a_deactivated_account_is_out_at_once(demo: DemoMarketplace):
    mira = demo.person("mira")
    token = demo.target.visitor(mira.make_token()["token"])
    browser = in_browser(demo.target, mira.email)
    demo.admin.post(f"/api/users/{mira.id}/deactivate", expect=200)
    for way_in in (mira, token, browser):
        way_in.refused("GET", "/api/me", 401)
    answer = {"email": mira.email, "password": PASSWORD}
    demo.target.visitor().refused("POST", "/auth/token", 401, json=answer)
    demo.admin.post(f"/api/users/{mira.id}/activate", expect=200)
    demo.target.sign_in(mira.email).get("/api/me", expect=200)


def test_a_new_password_ends_the_sessions(demo: DemoMarketplace):
    mira = demo.person("mira")
    demo.admin.post(f"/api/users/{mira.id}/set-password", json={"password": "another battery"}, expect=200)
    mira.refused("GET", "/api/me", 401)
    demo.target.visitor().refused("POST", "/auth/token", 401, json={"email": mira.email, "password": PASSWORD})
    demo.target.sign_in(mira.email, "another battery").get("/api/me", expect=200)
