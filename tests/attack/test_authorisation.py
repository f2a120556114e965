"""Every route of the route table by every kind of caller about things that are theirs, another's and nobody's.

What is expected follows from what the route declares that it needs (`agnes.edge.Needs`), so there is no list to forget a route in.
"""

from __future__ import annotations

import re
from difflib import unified_diff

import httpx
import pytest

from agnes.edge import Needs
from agnes.edge.origin import SAFE_METHODS
from infra.discovery import Route
from tests.attack.installation import MARK, PASSWORD, AttackedInstallation, expected_of, is_refused, routes, verdict

END_THEIR_CALLER = {"/auth/logout"}
"""Paths that end the sign-in of whoever asks, so they are asked without one."""


def snapshot(installation: AttackedInstallation) -> dict[str, object]:
    """What a refused call must not have changed."""
    admin = installation.target.admin()
    paths = [
        "/api/users", "/api/admin/groups", "/api/admin/grants", "/api/marketplaces", "/auth/admin/tokens",
        "/api/admin/blocked-trees", "/api/admin/telemetry/locations", "/api/admin/telemetry/prices",
        f"/api/admin/users/{installation.mira.id}/sessions", f"/api/admin/users/{installation.ben.id}/sessions",
        f"/api/marketplaces/{installation.demo.slug}/plugins", f"/api/admin/users/{installation.mira.id}/memberships",
    ]  # fmt: skip
    found = {path: stripped(admin.get(path).json()) for path in paths}
    found["stack"] = stripped(installation.mira.get("/api/my-stack").json())
    return found


def stripped(value: object) -> object:
    """Without times, which move by themselves."""
    if isinstance(value, dict):
        return {name: stripped(each) for name, each in value.items() if not re.search("last_|_at$|generated", name)}
    if isinstance(value, list):
        return [stripped(each) for each in value]
    return value


def test_every_caller_at_every_route(attacked: AttackedInstallation, record_property):
    before, wrong = snapshot(attacked), []
    for route in routes():
        for caller in attacked.callers.values():
            expected = expected_of(route, caller.kind)
            if expected is None and route.path in END_THEIR_CALLER and caller.token:
                continue
            about = ["absent"] if expected is None and route.method not in SAFE_METHODS else list(attacked.things)
            if expected == 401:
                about = ["mira"]
            # What may be changed is changed by other tests.
            for path in sorted({attacked.path(route, whose) for whose in about}):
                given = {} if route.method in SAFE_METHODS else {"json": {}}
                answer = attacked.call(route, caller, path, **given)
                refused = is_refused(route, answer)
                if refused != expected:
                    wrong.append(
                        f"{route.method} {path} ({route.contract.needs}) by {caller.name}: {answer.status_code} "
                        f"{code_of(answer)}, expected {expected or 'no refusal'}"
                    )
    record_property("routes", len(routes()))
    assert wrong == [], "\n".join(wrong)
    assert snapshot(attacked) == before


def code_of(answer) -> str:
    return answer.json()["code"] if answer.headers.get("content-type") == "application/json" and answer.content else ""


@pytest.mark.parametrize("needs", Needs)
def test_what_each_need_expects_is_known(needs: Needs):
    assert (verdict(needs, "admin") is None) == (needs is not Needs.DIRECTORY)
    assert (verdict(needs, "nobody") is None) == (needs is Needs.PUBLIC)


def test_nothing_of_another_is_read_or_changed(attacked: AttackedInstallation):
    """Ben asks for Mira's things, by every path and by every parameter of a query, and learns no more than of what is nobody's."""
    before, ben, wrong = snapshot(attacked), attacked.callers["an analyst"], []
    mira, absent = attacked.things["mira"].values, attacked.things["absent"].values
    personal = [r for r in open_to_analysts() if r.path not in END_THEIR_CALLER]
    for route in personal:
        given = {} if route.method in SAFE_METHODS else {"json": {"upload_id": attacked.upload_id, "enabled": True}}
        hers = attacked.call(route, ben, attacked.path(route, "mira"), **given)
        nobodys = attacked.call(route, ben, attacked.path(route, "absent"), **given)
        if MARK in hers.text:
            wrong.append(f"{route.method} {route.path} shows what is Mira's")
        names = [part for part in ("session_id", "token_id", "user_id") if f"{{{part}}}" in route.path]
        if names and told(hers, mira, names) != told(nobodys, absent, names):
            wrong.append(f"{route.method} {route.path} tells hers from nobody's: {difference(hers, nobodys)}")
        for name in route.contract.query.model_fields if route.contract.query else ():
            for value in {*mira.values(), attacked.mira.email, MARK}:
                shown = attacked.call(route, ben, attacked.path(route, "ben"), params={name: value}).text
                wrong += [f"{route.method} {route.path}?{name}={value}"] * (MARK in shown.replace(value, ""))
    assert wrong == [], "\n".join(wrong)
    assert snapshot(attacked) == before
    assert MARK in attacked.mira.get(f"/profile/sessions/{mira['session_id']}").text, "Mira herself sees the mark"


def open_to_analysts() -> list[Route]:
    return [route for route in routes() if verdict(route.contract.needs, "analyst") is None]


def difference(one: httpx.Response, other: httpx.Response) -> list[str]:
    return [
        str((one.status_code, other.status_code)),
        *unified_diff(one.text.splitlines(), other.text.splitlines(), n=0),
    ]


def told(answer: httpx.Response, values: dict[str, str], names: list[str]) -> tuple[int, str]:
    """Status and text without the id that was asked for and the request's own."""
    text = re.sub("(?i)[0-9A-Z]{26}", "", answer.text)
    for name in names:
        text = text.replace(values[name], "")
        if len(values[name]) > 8:  # as titles and messages show it, shortened
            text = text.replace(values[name][:8], "").replace(values[name][-8:], "")
    return answer.status_code, text


def test_what_another_was_granted_is_not_seen(attacked: AttackedInstallation):
    """Mira has finops by a grant and Ben has not."""
    ben = attacked.callers["an analyst"]
    for route in open_to_analysts():
        if "{slug}/{plugin}" in route.path:
            given = {} if route.method in SAFE_METHODS else {"json": {"enabled": True}}
            hers, nobodys = (
                attacked.call(route, ben, attacked.path(route, whose), **given) for whose in ("mira", "absent")
            )
            assert hers.status_code in (403, 404, 422), f"{route.method} {route.path}: {hers.status_code}"
            # A write to what does not exist is 404 by specification, so only reads must not tell.
            same = hers.status_code == nobodys.status_code or route.method not in SAFE_METHODS
            assert same, f"{route.method} {route.path} tells what there is"
    for path in ("/api/marketplace/items", "/marketplace", "/marketplace/info", "/api/my-stack"):
        assert "finops" not in attacked.ben.get(path).text, path


def test_writes_that_another_site_starts_are_refused(attacked: AttackedInstallation):
    """By a browser that is signed in as an admin, at every route that a cookie opens."""
    cookie = {"Cookie": f"access_token={attacked.admin_session}"}
    sites = (
        {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "SAME-ORIGIN"},
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""}, {"Origin": "http://[::1"},
        {"Origin": f"{attacked.target.base_url}.evil.example"},
        {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
    )  # fmt: skip
    before = snapshot(attacked)
    for route in routes():
        if route.method in SAFE_METHODS:
            continue
        for site in sites:
            answer = attacked.send(route.method, attacked.path(route, "mira"), headers={**cookie, **site}, json={})
            assert answer.status_code == 403, f"{route.method} {route.path} {site}: {answer.status_code}"
    assert snapshot(attacked) == before


@pytest.mark.parametrize(
    "cookie",
    [
        "access_token=", "access_token", "access_token=;", "=x", 'access_token="', "access_token=" + "A" * 6000,
        "access_token=a; access_token={admin}x", "$Version=1; access_token=x", "Access_Token={admin}",
        "agnes_seen=people:999999999999999; access_token={admin}x", "__Host-access_token={admin}",
        "access_token=%00", "access_token=\xff",
    ],
)  # fmt: skip
def test_cookies_that_are_no_sign_in(attacked: AttackedInstallation, cookie: str):
    value = cookie.replace("{admin}", attacked.admin_session).encode("latin-1")
    assert attacked.send("GET", "/api/me", headers={b"Cookie": value}).status_code in (400, 401, 431)


def test_a_password_is_not_taken_as_a_token(attacked: AttackedInstallation):
    for scheme in ("Bearer", "Basic", "bearer ", "Token"):
        answer = attacked.send("GET", "/api/users", headers={"Authorization": f"{scheme} {PASSWORD}"})
        assert answer.status_code == 401
