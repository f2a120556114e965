"""`agnes admin config`, against the functions behind the routes."""

from __future__ import annotations

import json


def test_settings_are_listed_set_and_taken_back(shop) -> None:
    ada = shop.laptop("ada", git=False)
    done = ada.agnes("admin", "config", "set", "instance.brand=Atlas", "theme.accent=#0a6b4f")
    assert (done.returncode, done.stdout) == (0, "2 settings saved.\n"), done.stderr
    listed = ada.agnes("admin", "config", "list").stdout
    assert "instance.brand" in listed
    assert "Atlas" in listed
    assert ada.agnes("admin", "config", "set", "instance.brand=Atlas").stdout == "Nothing was changed.\n"
    secret = ada.agnes("admin", "config", "set-secret", "ai.api_key", "--stdin", stdin="sk-ant-of-the-test\n")
    assert (secret.returncode, secret.stdout) == (0, "1 setting saved.\n"), secret.stderr
    whole = ada.agnes("admin", "config", "list", "--json").stdout
    assert "sk-ant" not in whole
    assert json.loads(whole)["sections"]["ai"]["api_key"] == "***"
    unset = ada.agnes("admin", "config", "unset", "ai.api_key", "instance.brand", "theme.accent")
    assert unset.stdout == "3 settings saved.\n", unset.stderr


def test_what_cannot_be_set_is_refused_with_the_reason(shop) -> None:
    ada = shop.laptop("ada", git=False)
    for words, reason in (
        (("instance.brand",), "is not SETTING=VALUE"),
        (("ai.api_key=sk-ant",), "is a secret"),
        (("guardrails.review=off",), "confirm_danger"),
        (("instance.colour=red",), "is not a setting"),
    ):
        refused = ada.agnes("admin", "config", "set", *words)
        assert refused.returncode != 0
        assert reason in refused.stderr
