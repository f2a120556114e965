"""`agnes admin usage locations …` against a house."""

from __future__ import annotations

import json

import pytest

from tests.builders.rogue_sftp import PASSWORD, USER, Conduct, rogue_sftp

pytestmark = pytest.mark.slow

A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"


@pytest.fixture
def ada(shop):
    return shop.laptop("ada", git=False)


def test_an_sftp_server_from_its_host_key_to_its_removal(ada):
    conduct = Conduct(names={b"ada@example.com": b"", b"who": b""}, files={f"{A}.jsonl".encode(): b"{}"})
    with rogue_sftp(conduct) as rogue:
        where = ["--host", "127.0.0.1", "--port", str(rogue.place.port), "--username", USER, "--password-stdin"]
        wish = ["admin", "usage", "locations", "add", "drop", "sftp", "/{user}/*.jsonl", "--person", "email", *where]
        asked = ada.agnes(*wish, stdin=f"{PASSWORD}\nn\n")
        assert (asked.returncode, "SHA256:" in asked.stderr) == (1, True)
        wrong = ada.agnes(*wish, "--yes", stdin="wrong\n")
        assert (wrong.returncode, "does not take the credentials" in wrong.stderr) == (2, True)
        done = ada.agnes(*wish, "--yes", stdin=f"{PASSWORD}\n")
        assert (done.returncode, done.stdout[:30]) == (0, "drop is added: 2 files now. `a"), done.stderr
        assert "1 of 2 files will not be fetched: no_such_person" in done.stderr
        listed = ada.agnes("admin", "usage", "locations", "list").stdout
        assert f"{USER}@127.0.0.1:{rogue.place.port}" in listed
        assert PASSWORD not in listed
        looked = json.loads(ada.agnes("admin", "usage", "locations", "test", "drop", "--json").stdout)
        assert {sample["email"] for sample in looked["samples"]} == {"ada@example.com", None}
    ada.agnes("admin", "usage", "locations", "delete", "drop", "--yes")
    assert ada.agnes("admin", "usage", "locations", "list", "--json").stdout.strip() == "[]"


def test_a_location_that_cannot_be_looked_at_is_not_saved(ada, tmp_path):
    done = ada.agnes(
        "admin",
        "usage",
        "locations",
        "add",
        "homes",
        "folder",
        f"{tmp_path}/homes/{{user}}/*.jsonl",
        "--person",
        "email",
    )
    assert (done.returncode, "there is no folder" in done.stderr) == (2, True)
    assert ada.agnes("admin", "usage", "locations", "list", "--json").stdout.strip() == "[]"
