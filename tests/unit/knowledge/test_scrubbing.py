"""What the scanner takes out of a text, and what it leaves."""

from __future__ import annotations

import pytest

from agnes.knowledge.scrubbing import HoldsSecret, refuse_secrets, scrub
from agnes.outside.scanners import scanners

DRAWN = "kQ7vR2mZ9tLxW4nB8sYcJ1pHfG6dT3aE"

GONE = [
    pytest.param(f"the key is sk-ant-api03-{DRAWN}", f"sk-ant-api03-{DRAWN}", id="anthropic"),
    pytest.param("use AKIA" + "QW7B3PDKHX4PY8GT please", "AKIA" + "QW7B3PDKHX4PY8GT", id="aws"),
    pytest.param(f"git clone https://ana:{DRAWN}@git.example.com/x", DRAWN, id="address"),
    pytest.param("password: Tulip-77-garden", "Tulip-77-garden", id="password"),
    pytest.param("the password is hunter22!", "hunter22", id="spoken password"),
    pytest.param(f"Authorization: Bearer {DRAWN}", DRAWN, id="bearer"),
    pytest.param(f"-----BEGIN RSA PRIVATE KEY-----\n{DRAWN}\n{DRAWN}\n-----END RSA PRIVATE KEY-----\nafter", DRAWN, id="private key"),
    pytest.param(f"-----BEGIN PRIVATE KEY-----\n{DRAWN}", DRAWN, id="cut private key"),
    pytest.param("agp_" + DRAWN, DRAWN, id="a token of Agnes"),
    pytest.param("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P", "eyJzdWIi", id="jwt"),
    pytest.param("write to lena.marsh@northwind.example today", "lena.marsh@", id="e-mail"),
    pytest.param("call +49 30 901820-0815 now", "901820", id="telephone"),
    pytest.param("her number is 555-867-5309", "867-5309", id="national telephone"),
    pytest.param("IBAN DE89 3704 0044 0532 0130 00 of Lena", "0532", id="iban"),
    pytest.param("card 4111 1111 1111 1111 expires", "4111", id="card"),
    pytest.param("SSN 219-09-9999", "219-09-9999", id="identity number"),
    pytest.param("the host is 203.0.113.77", "203.0.113.77", id="ip"),
    pytest.param("cat /home/mira/notes.md and C:\\Users\\Mira\\x", "ira", id="home"),
    pytest.param(f"x{DRAWN}99", DRAWN, id="drawn"),
    pytest.param("da39a3ee5e6b4b0d3255bfef95601890afd80709", "da39a3ee", id="hexadecimal"),
]  # fmt: skip

KEPT = [
    "Net revenue excludes refunds and chargebacks; see finance.net_revenue_daily.",
    "The token is expired after 90 days, and the password is rotated monthly.",
    "Cost centre 410 is marketing, 420 sales. FY26 starts on 2026-02-01.",
    "usage_marketplace_item_daily has 10,485,760 rows",
    "claude-sonnet-4-6 costs more than claude-haiku-4-5-20251001",
    "5d2c8a10-0001-4f00-9a00-00000000aaaa is the session",
    "EMEA-Türkei: Ümsätze ab 1.000.000 €",
    "version 2.1.332 of the client",
    "",
]


@pytest.mark.parametrize(("text", "gone"), GONE)
def test_what_must_not_be_shared_is_taken_out(text: str, gone: str) -> None:
    found = scrub(text, scanners())
    assert gone not in found.text
    assert found.removed
    assert scrub(found.text, scanners()).removed == {}, "what is shown instead is no finding"
    with pytest.raises(HoldsSecret) as refused:
        refuse_secrets(scanners(), content=text)
    assert gone not in refused.value.message


@pytest.mark.parametrize("text", KEPT)
def test_what_people_say_stays(text: str) -> None:
    assert scrub(text, scanners()).text == text


def test_a_secret_in_a_long_line_is_found() -> None:
    filler = "words and more words " * 400
    text = f"{filler}sk-ant-api03-{DRAWN} {filler}"
    assert DRAWN not in scrub(text, scanners()).text
