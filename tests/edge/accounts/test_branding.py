"""An installation's own name, logo, colours and home page."""

from __future__ import annotations

import re

import pytest

from agnes.edge import mail
from tests.builders.house import House
from tests.builders.people import ADMIN_EMAIL, PASSWORD, seed_admin

pytestmark = pytest.mark.slow

LOGO = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
ENVIRON = {
    "AGNES_INSTANCE_BRAND": "Atlas & Co",
    "AGNES_INSTANCE_NAME": "Acme <b>",
    "AGNES_INSTANCE_SUBTITLE": "Plugins for analysts",
    "AGNES_INSTANCE_LOGO_SVG": LOGO,
    "AGNES_INSTANCE_ADMIN_EMAIL": "help@acme.test",
    "AGNES_HOME_ROUTE": "/me/connect",
    "AGNES_THEME_ACCENT": "#0a6b4f",
}


@pytest.fixture(scope="module")
def branded(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house"), environ=ENVIRON) as house:
        seed_admin(house)
        yield house


def test_the_sign_in_page_has_the_installations_name(branded):
    page = branded.get("/login").text
    assert "<title>Sign in · Atlas &amp; Co</title>" in page
    assert "Acme &lt;b&gt; · Plugins for analysts" in page
    assert 'href="mailto:help@acme.test"' in page
    assert "Agnes" not in page
    assert "<script>alert" not in page  # the logo is a data: URL of an image
    [theme] = re.findall(r'href="(/static/css/theme\.css[^"]*)"', page)
    css = branded.get(theme)
    assert (css.status, css.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "--accent: #0a6b4f" in css.text


def test_signing_in_and_the_bare_address_lead_home(branded):
    form = {"email": ADMIN_EMAIL, "password": PASSWORD, "next": ""}
    signed_in = branded.post("/auth/password/login/web", form=form)
    assert signed_in.headers["location"] == "/me/connect"
    assert branded.get("/").headers["location"] == "/me/connect"


@pytest.mark.parametrize("message", ["invitation", "reset", "sign_in"])
def test_mails_have_it_too(branded, message):
    sent = mail.compose(message, "bob@example.com", url="https://x.test/a", expires="12:00", by="Ada")
    assert "Agnes" not in sent.text + sent.html + sent.subject
    assert "Atlas & Co" in sent.text
    assert "Atlas &amp; Co" in sent.html


def test_without_colours_there_is_no_stylesheet_of_its_own(tmp_path):
    with House(tmp_path) as house:
        assert "theme.css" not in house.get("/login").text
        assert house.get("/static/css/theme.css").text == ""
