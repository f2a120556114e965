from __future__ import annotations

from argon2 import extract_parameters

from agnes.accounts import passwords
from agnes.kernel.ports import Secret


def test_a_hash_matches_its_password_only():
    kept = passwords.hash_password(Secret("correct horse"))
    assert passwords.matches(kept, Secret("correct horse"))
    assert not passwords.matches(kept, Secret("Correct horse"))
    assert kept.startswith("$argon2id$")


def test_nobody_has_no_password():
    assert not passwords.matches(None, Secret(""))
    assert not passwords.matches(None, Secret("anything"))


def test_an_unknown_account_costs_as_much_as_a_known_one():
    made_now = passwords.hash_password(Secret("correct horse"))
    assert extract_parameters(passwords.NOBODY) == extract_parameters(made_now)


def test_a_damaged_hash_matches_nothing():
    assert not passwords.matches("not a hash", Secret("correct horse"))
