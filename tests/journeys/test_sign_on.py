"""Signing in with a real, certified OpenID provider on loopback: discovery, PKCE, nonce, signatures, userinfo over sockets."""

from __future__ import annotations

from contextlib import ExitStack

import httpx
import pytest

from agnes_local.process import free_port
from tests.builders.embedded import embedded_server
from tests.builders.openid_provider import real_provider
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.oidc


def new_browser() -> httpx.Client:
    return httpx.Client(follow_redirects=True, trust_env=False, timeout=PATIENCE_SECONDS)


def person(name: str, *, verified: bool = True) -> dict:
    return {
        "ID": name,
        "Username": name,
        "Password": "verysecure",
        "FirstName": name.title(),
        "LastName": "Example",
        "Email": f"{name}@northwind.example",
        "EmailVerified": verified,
        "PreferredLanguage": "en",
    }


def signed_on(browser: httpx.Client, base_url: str, who: str, password: str = "verysecure") -> httpx.Response:
    """Press the button, type name and password at the provider, and come back."""
    asked = browser.get(f"{base_url}/auth/oidc/login", params={"next": "/me/profile"})
    assert asked.status_code == 200
    form = {"id": str(asked.url.params["authRequestID"]), "username": who, "password": password}
    return browser.post(asked.url.copy_with(path="/login/username", query=None), data=form)


def test_a_person_of_the_provider_signs_in_and_out(tmp_path):
    port = free_port()
    base_url = f"http://localhost:{port}"
    people = [person("mira"), person("eve", verified=False)]
    with real_provider(people, f"{base_url}/auth/oidc/callback") as issuer:
        settings = {
            "PORT": str(port),
            "SERVER_URL": base_url,
            "OIDC_ISSUER": issuer.rstrip("/"),
            "OIDC_CLIENT_ID": "web",
            "OIDC_CLIENT_SECRET": "secret",
            "OIDC_ALLOW": "http,private",
            "ALLOWED_DOMAINS": "northwind.example",
        }
        with embedded_server(tmp_path, settings), ExitStack() as stack:
            browser, again, other = (stack.enter_context(new_browser()) for _ in range(3))
            arrived = signed_on(browser, base_url, "mira")
            assert arrived.url.path == "/me/profile", arrived.text[:500]
            me = browser.get(f"{base_url}/api/me").json()
            assert (me["email"], me["name"]) == ("mira@northwind.example", "Mira Example")
            assert me["is_admin"] is False
            signed_on(again, base_url, "mira")
            assert again.get(f"{base_url}/api/me").json()["user_id"] == me["user_id"]
            left = browser.post(f"{base_url}/auth/logout")
            assert left.url.path == "/login"
            assert browser.get(f"{base_url}/api/me").status_code == 401
            assert again.get(f"{base_url}/api/me").status_code == 200

            assert "not verified at your identity provider" in signed_on(other, base_url, "eve").text
            stayed = signed_on(other, base_url, "mira", "wrong")
            assert str(stayed.url).startswith(issuer)
            assert other.get(f"{base_url}/api/me").status_code == 401
