"""One contract over both adapters of the port Secrets."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Secret
from agnes.kernel.signing import Key, KeyRing
from agnes.outside.parameter_store import ParameterStore, SecretsOfAws
from agnes.outside.secrets_file import SecretsDamaged, SecretsFile
from agnes.outside.secrets_manager import SecretsManager


@pytest.fixture(params=["file", "manager", "parameters", "aws"])
def vault(request, tmp_path, monkeypatch):
    if request.param == "file":
        yield SecretsFile(tmp_path / "data" / "secrets.json")
        return
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    made = {"manager": SecretsManager, "parameters": ParameterStore, "aws": of_aws}[request.param]
    with mock_aws():
        yield made(prefix="agnes")


def of_aws(prefix):
    return SecretsOfAws(ParameterStore(prefix=prefix), SecretsManager(prefix=prefix))


@pytest.fixture
def aws(monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "DEFAULT_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        yield


def test_an_installations_own_keys_are_encrypted_parameters_and_all_others_are_secrets(aws):
    of_aws("agnes").put("signing", Secret("key"))
    of_aws("agnes").put("marketplace/1", Secret("token"))
    described = boto3.client("ssm").describe_parameters()["Parameters"]
    assert [(found["Name"], found["Type"]) for found in described] == [("/agnes/signing", "SecureString")]
    assert [found["Name"] for found in boto3.client("secretsmanager").list_secrets()["SecretList"]] == [
        "agnes/marketplace/1"
    ]


def test_a_key_of_an_earlier_release_goes_on_being_the_key(aws):
    """Before and after the deployment has copied it, and for functions of that release, which read it where it was."""
    earlier = SecretsManager(prefix="agnes")
    earlier.put("signing", Secret("old"))
    vault = of_aws("agnes")
    assert vault.get("signing") == Secret("old")
    assert vault.add("signing", Secret("new")) == Secret("old"), "the deployment copies it"
    assert ParameterStore(prefix="agnes").get("signing") == Secret("old")
    assert earlier.get("signing") == Secret("old")
    vault.put("signing", Secret("rotated"))
    assert vault.get("signing") == Secret("rotated")
    vault.remove("signing")
    assert vault.get("signing") is None


def test_a_ring_of_signing_keys_fits_into_a_parameter():
    """A rotation a day for a quarter: what has ended goes with the next rotation."""
    now, ring = datetime(2026, 11, 30, tzinfo=UTC), KeyRing((Key(Secret("0" * 64)),))
    for number in range(90):
        ring = ring.rotated(Secret(f"{number:064}"), now + timedelta(days=number))
        assert len(ring.encode()) <= 4096


def test_gives_back_what_was_put(vault):
    assert vault.get("token") is None
    vault.put("token", Secret("one\ntwo \u20ac"))
    vault.put("other", Secret("x"))
    assert vault.get("token") == Secret("one\ntwo \u20ac")
    vault.put("token", Secret("rotated"))
    assert vault.get("token") == Secret("rotated")
    assert vault.get("other") == Secret("x")


def test_forgets_what_is_removed_and_takes_the_name_again(vault):
    vault.put("token", Secret("one"))
    vault.remove("token")
    vault.remove("token")
    assert vault.get("token") is None
    vault.put("token", Secret("two"))
    assert vault.get("token") == Secret("two")


def test_names_those_that_there_are(vault):
    assert vault.names() == ()
    for name in ("signing", "marketplace/one", "smtp"):
        vault.put(name, Secret("x"))
    vault.remove("smtp")
    assert sorted(vault.names()) == ["marketplace/one", "signing"]


def test_the_first_that_is_added_is_the_one_for_everybody(vault):
    assert vault.add("signing", Secret("first")) == Secret("first")
    assert vault.add("signing", Secret("second")) == Secret("first")
    assert vault.get("signing") == Secret("first")
    vault.put("signing", Secret("rotated"))
    assert vault.add("signing", Secret("third")) == Secret("rotated")


def test_the_file_is_for_its_owner_only_whatever_the_umask(tmp_path):
    path = tmp_path / "secrets.json"
    before = os.umask(0)
    try:
        SecretsFile(path).put("a", Secret("1"))
    finally:
        os.umask(before)
    assert [stat.S_IMODE(file.stat().st_mode) for file in sorted(tmp_path.iterdir())] == [0o600, 0o600]


def test_what_a_killed_process_left_half_written_does_no_harm(tmp_path):
    vault = SecretsFile(tmp_path / "secrets.json")
    vault.put("a", Secret("1"))
    (tmp_path / "secrets.json.new").write_text('{"a": "half')
    assert vault.get("a") == Secret("1")
    vault.put("b", Secret("2"))
    assert (vault.get("a"), vault.get("b")) == (Secret("1"), Secret("2"))


def _put_many(path, worker):
    vault = SecretsFile(path)
    for number in range(20):
        vault.put(f"{worker}-{number}", Secret("x"))


def test_processes_lose_nothing_of_each_other(tmp_path):
    path = tmp_path / "secrets.json"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_put_many, args=(path, worker)) for worker in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(json.loads(path.read_bytes())) == 60
    assert sorted(file.name for file in tmp_path.iterdir()) == ["secrets.json", "secrets.json.lock"]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}'])
def test_a_damaged_file_is_told_and_left_alone(tmp_path, content):
    path = tmp_path / "secrets.json"
    path.write_text(content)
    with pytest.raises(SecretsDamaged):
        SecretsFile(path).get("a")
    with pytest.raises(SecretsDamaged):
        SecretsFile(path).put("a", Secret("b"))
    assert path.read_text() == content


def test_a_failure_of_secrets_manager_names_the_secret_and_its_reason(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        vault = SecretsManager(prefix="agnes")
        vault.put("x", Secret("hidden value"))
        boto3.client("secretsmanager").delete_secret(SecretId="agnes/x", RecoveryWindowInDays=7)
        with pytest.raises(UnavailableError) as failed:
            vault.get("x")
    assert failed.value.message == "Secrets Manager failed for agnes/x: InvalidRequestException"


def test_a_failure_of_parameter_store_names_the_parameter_and_its_reason(aws):
    with pytest.raises(UnavailableError) as failed:
        ParameterStore(prefix="aws").put("signing", Secret("hidden value"))
    assert failed.value.message == "Parameter Store failed for /aws/signing: AccessDeniedException"
