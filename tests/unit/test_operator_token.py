"""The operator's token by its digest: what AWS's functions are given."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from agnes import settings
from agnes.settings import SettingsError
from infra.compose import Composition, compose
from tests.builders.house import House
from tests.builders.people import seed_admin

OLD, NEW = "old-operator-0123456789abcdef01234", "new-operator-0123456789abcdef01234"
DIGESTS = [hashlib.sha256(token.encode()).hexdigest() for token in (OLD, NEW)]
PATH = "/api/admin/run"


@pytest.mark.parametrize("given", [",".join(DIGESTS), f" {DIGESTS[0].upper()} , {DIGESTS[1]} "])
def test_two_tokens_are_taken_while_one_replaces_the_other(tmp_path: Path, given: str) -> None:
    with House(tmp_path, environ={"SCHEDULER_API_TOKEN_SHA256": given}) as house:
        seed_admin(house)
        assert house.get(PATH, token=OLD).status == 200
        assert house.get(PATH, token=NEW).status == 200
        assert house.get("/api/users", token=NEW).json()["code"] == "operator_token_scope"
        for wrong in (*DIGESTS, OLD[:-1], f"{OLD}x", given):
            assert house.get(PATH, token=wrong).status == 401, "a digest opens nothing"


def test_a_digest_and_a_token_stand_side_by_side() -> None:
    both = settings.load({"SCHEDULER_API_TOKEN": OLD, "SCHEDULER_API_TOKEN_SHA256": DIGESTS[1]})
    assert both.is_operator_token(OLD)
    assert both.is_operator_token(NEW)
    assert not both.is_operator_token("")
    assert not settings.load({}).is_operator_token("")
    assert not settings.load({}).is_operator_token(OLD)


@pytest.mark.parametrize("given", ["abc", OLD, f"{DIGESTS[0]},abc", "g" * 64])
def test_what_is_no_digest_stops_the_start(given: str) -> None:
    with pytest.raises(SettingsError, match="SCHEDULER_API_TOKEN_SHA256"):
        settings.load({"SCHEDULER_API_TOKEN_SHA256": given})


def test_no_environment_on_aws_holds_the_token() -> None:
    composition: Composition = compose()
    for template in composition.templates.values():
        assert "SCHEDULER_API_TOKEN'" not in str(template)
        assert "SchedulerApiToken'" not in str(template)
    variables = composition.templates["ops"]["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["SCHEDULER_API_TOKEN_SHA256"] == {"Ref": "SchedulerApiTokenSha256"}
