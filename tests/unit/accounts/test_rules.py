from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from agnes.accounts import rules
from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret
from agnes.kernel.scopes import Scope

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada.L@Example.COM ", "ada.l@example.com"),
        ("dev@localhost", "dev@localhost"),
        ("o'brien+agnes@sub.example.co", "o'brien+agnes@sub.example.co"),
    ],
)
def test_keeps_an_address_in_lower_case(typed, kept):
    assert rules.email_of(typed) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@@example.com",
        "ada b@example.com",
        "ada@example.com\nbcc: x@y",
        "a\u202eda@example.com",
        "ada@-example.com",
        "ada@example..com",
        "\u0430da@example.com",
        "<ada@example.com>",
        "a" * 65 + "@example.com",
        "ada@" + "a." * 130 + "com",
    ],
)
def test_refuses_what_is_no_address(typed):
    with pytest.raises(BadRequestError) as refused:
        rules.email_of(typed)
    assert refused.value.code == "invalid_email"


@pytest.mark.parametrize("name", ["Ada Lovelace", "Jürgen", "李雷", "नेत्र\u200cयान", "O'Brien-Smith, Jr."])
def test_takes_names_of_people(name):
    assert rules.name_of(f"  {name} ") == name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("", "blank_name"),
        (" \t\n", "blank_name"),
        ("a\nb", "bad_name"),
        ("a\x00b", "bad_name"),
        ("\u202egnp.exe", "bad_name"),
        ("\u2066x", "bad_name"),
        ("x" * 201, "bad_name"),
    ],
)
def test_refuses_names_that_would_lie_on_a_screen(name, code):
    with pytest.raises(BadRequestError) as refused:
        rules.name_of(name)
    assert refused.value.code == code


WORDS = "quartz lemur vivid tundra "


@pytest.mark.parametrize("length", [0, 11, 1025])
def test_refuses_passwords_too_short_or_too_long(length):
    with pytest.raises(BadRequestError) as refused:
        rules.check_password(Secret((WORDS * 40)[:length]), about=())
    assert refused.value.code == "bad_password"


@pytest.mark.parametrize("length", [12, 1024])
def test_takes_passwords_within_the_limits(length):
    rules.check_password(Secret((WORDS * 40)[:length]), about=())


@pytest.mark.parametrize(
    ("password", "about"),
    [
        ("x" * 1024, ()),
        ("123456789012", ()),
        ("Passw0rd2026!", ()),
        ("agnesagnes12", ()),
        ("grace.hopper", ("grace.hopper@example.com", "Grace Hopper")),
        ("hopper1906!!", ("grace.hopper@example.com", "Grace Hopper")),
    ],
)
def test_refuses_passwords_that_are_easy_to_guess(password, about):
    with pytest.raises(BadRequestError) as refused:
        rules.check_password(Secret(password), about=about)
    assert refused.value.code == "weak_password"


@pytest.mark.parametrize(
    ("days", "ttl_seconds", "scope", "lifetime"),
    [
        pytest.param(90, None, Scope.FULL, timedelta(days=90), id="days"),
        pytest.param(90, 60, Scope.FULL, timedelta(minutes=1), id="seconds win"),
        pytest.param(None, None, Scope.FULL, None, id="never"),
        pytest.param(10**9, None, Scope.FULL, timedelta(days=3650), id="at most ten years"),
        pytest.param(None, 10**18, Scope.FULL, timedelta(days=3650), id="at most ten years in seconds"),
        pytest.param(90, None, Scope.BOOTSTRAP, timedelta(hours=1), id="bootstrap clamps"),
        pytest.param(None, None, Scope.BOOTSTRAP, timedelta(hours=1), id="bootstrap ends"),
        pytest.param(90, 60, Scope.BOOTSTRAP, timedelta(minutes=1), id="bootstrap may be shorter"),
    ],
)
def test_lifetime_of_a_token(days, ttl_seconds, scope, lifetime):
    expected = None if lifetime is None else NOW + lifetime
    assert rules.expiry_of(NOW, days=days, ttl_seconds=ttl_seconds, scope=scope) == expected


@pytest.mark.parametrize(("days", "ttl_seconds"), [(0, None), (-1, None), (90, 0), (None, -5)])
def test_refuses_a_lifetime_that_is_over(days, ttl_seconds):
    with pytest.raises(BadRequestError):
        rules.expiry_of(NOW, days=days, ttl_seconds=ttl_seconds, scope=Scope.FULL)


@pytest.mark.parametrize(
    ("asked", "goes_to"),
    [
        ("/marketplace?tab=my&q=a%20b#top", "/marketplace?tab=my&q=a%20b#top"),
        ("/", "/"),
        ("", "/home"),
        ("https://evil.example", "/home"),
        ("//evil.example", "/home"),
        ("/\\evil.example", "/home"),
        ("/\t/evil.example", "/home"),
        ("/a\\b", "/home"),
        ("/a\r\nSet-Cookie: x=y", "/home"),
        ("javascript:alert(1)", "/home"),
        ("/caf\u00e9", "/home"),
    ],
)
def test_goes_on_within_this_site_only(asked, goes_to):
    assert rules.local_path(asked, otherwise="/home") == goes_to


def test_credentials_are_long_random_and_kept_as_a_hash():
    one, other = rules.new_credential("agp_"), rules.new_credential("agp_")
    assert one != other
    assert one.value.startswith("agp_")
    assert len(one.value) == 4 + 43
    assert rules.hash_of(one) != rules.hash_of(other)
    assert one.value not in rules.hash_of(one)
