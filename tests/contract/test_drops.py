"""What every kind of drop location does: a folder, OpenSSH's server, a bucket of moto's, MinIO's and LocalStack's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agnes.kernel.drops import DropFile, DropPattern, DropRefused, DropUnreachable, FileUnreadable, LocationTooLarge
from agnes.kernel.ports import Secret
from agnes.outside.drops import OutsideDrops
from agnes.outside.drops.s3 import S3Drop
from tests.builders.drop_places import DropPlace, folder_place, s3_place, sftp_place
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.ssh_server import SshServer, ssh_server
from tests.contract.stores import BUCKET, SERVERS, S3Server, started_server

pytestmark = pytest.mark.slow

DROPS = OutsideDrops(allow=frozenset({"folder", "private", "http"}))


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with ssh_server(tmp_path_factory.mktemp("ssh")) as server:
        yield server


@pytest.fixture(params=[pytest.param("folder"), pytest.param("sftp", marks=pytest.mark.sftp), *SERVERS])
def drop(request: pytest.FixtureRequest, tmp_path: Path) -> DropPlace:
    if request.param == "folder":
        return folder_place(tmp_path / "drop")
    if request.param == "sftp":
        return sftp_place(request.getfixturevalue("openssh"), tmp_path / "drop")
    return s3_place(request.getfixturevalue("moto") if request.param == "moto" else started_server(request.param))


@pytest.fixture(params=[pytest.param("folder"), pytest.param("sftp", marks=pytest.mark.sftp)])
def on_disk(request: pytest.FixtureRequest, tmp_path: Path) -> DropPlace:
    """Where there are links."""
    if request.param == "folder":
        return folder_place(tmp_path / "drop")
    return sftp_place(request.getfixturevalue("openssh"), tmp_path / "drop")


def listed(drop: DropPlace, pattern: str, *, limit: int = 1000) -> list[DropFile]:
    with DROPS.open(drop.place, drop.credential, seconds=PATIENCE_SECONDS) as opened:
        return list(opened.files(drop.pattern(pattern), limit=limit))


def paths(drop: DropPlace, pattern: str, **more: int) -> dict[str, str]:
    return {file.path.removeprefix(drop.root): file.person for file in listed(drop, pattern, **more)}


def test_finds_what_matches_and_whose_it_is(drop: DropPlace) -> None:
    for path in ("ada/s/1.jsonl", "ada/s/deep/2.jsonl", "bob/s/3.jsonl", "bob/s/notes.txt", "bob/other/4.jsonl"):
        drop.put(path, b"{}")
    drop.put("ada/s/.hidden.jsonl", b"{}")
    assert paths(drop, "{user}/s/*.jsonl") == {"ada/s/1.jsonl": "ada", "bob/s/3.jsonl": "bob"}
    everything = {
        "ada/s/1.jsonl": "ada",
        "ada/s/deep/2.jsonl": "ada",
        "bob/s/3.jsonl": "bob",
        "bob/other/4.jsonl": "bob",
    }
    assert paths(drop, "{user}/**/*.jsonl") == everything
    assert paths(drop, "{user}/s/?.jsonl") == {"ada/s/1.jsonl": "ada", "bob/s/3.jsonl": "bob"}
    assert paths(drop, "nobody-{user}/*.jsonl") == {}


def test_a_person_may_be_a_part_of_a_name(drop: DropPlace) -> None:
    drop.put("of-ada@example.com/x.jsonl", b"{}")
    drop.put("ada/x.jsonl", b"{}")
    drop.put("flat/session-of-bob.jsonl", b"{}")
    assert paths(drop, "of-{user}/x.jsonl") == {"of-ada@example.com/x.jsonl": "ada@example.com"}
    assert paths(drop, "flat/session-of-{user}.jsonl") == {"flat/session-of-bob.jsonl": "bob"}


def test_reads_what_was_listed_and_no_more(drop: DropPlace) -> None:
    body = os.urandom(300_000)
    drop.put("ada/x.jsonl", body)
    with DROPS.open(drop.place, drop.credential, seconds=PATIENCE_SECONDS) as opened:
        [file] = opened.files(drop.pattern("{user}/*.jsonl"), limit=10)
        assert file.size_bytes == len(body)
        assert opened.read(file) == body
        drop.put("ada/x.jsonl", body + b"grown")
        assert opened.read(file) == body
        [grown] = opened.files(drop.pattern("{user}/*.jsonl"), limit=10)
        assert grown.version != file.version
        assert opened.read(grown) == body + b"grown"
        drop.remove("ada/x.jsonl")
        assert opened.read(grown) is None


def test_the_version_stays_while_the_file_does(drop: DropPlace) -> None:
    drop.put("ada/x.jsonl", b"{}")
    assert listed(drop, "{user}/*.jsonl") == listed(drop, "{user}/*.jsonl")


def test_a_limit_bounds_what_is_looked_at(drop: DropPlace) -> None:
    for number in range(12):
        drop.put(f"ada/{number:02}.jsonl", b"{}")
    assert len(paths(drop, "{user}/*.jsonl", limit=5)) == 5


def test_time_is_limited(drop: DropPlace) -> None:
    drop.put("ada/x.jsonl", b"{}")
    with pytest.raises(DropUnreachable), DROPS.open(drop.place, drop.credential, seconds=0.0) as opened:
        list(opened.files(drop.pattern("{user}/*.jsonl"), limit=5))


def test_links_are_named_and_never_followed(on_disk: DropPlace) -> None:
    drop = on_disk
    drop.put("bob/secret.jsonl", b'{"of": "bob"}')
    Path(drop.root, "mallory").mkdir()
    Path(drop.root, "mallory/mine.jsonl").symlink_to(drop.root + "bob/secret.jsonl")
    Path(drop.root, "mallory/folder").symlink_to(drop.root + "bob")
    Path(drop.root, "eve").symlink_to(drop.root + "bob")
    found = {file.path.removeprefix(drop.root): file.problem for file in listed(drop, "{user}/**/*.jsonl")}
    assert found == {"bob/secret.jsonl": None, "mallory/mine.jsonl": "symlink"}
    # It became a link after it was listed.
    drop.put("mallory/late.jsonl", b"{}")
    with DROPS.open(drop.place, drop.credential, seconds=PATIENCE_SECONDS) as opened:
        [late] = [
            file for file in opened.files(drop.pattern("{user}/*.jsonl"), limit=9) if file.path.endswith("late.jsonl")
        ]
        drop.remove("mallory/late.jsonl")
        Path(drop.root, "mallory/late.jsonl").symlink_to(drop.root + "bob/secret.jsonl")
        assert opened.read(late) is None


def test_names_that_are_no_text_are_named_as_such(drop: DropPlace) -> None:
    if drop.place.kind == "s3":
        drop.put("ada/bad\x07name.jsonl", b"{}")
        found = listed(drop, "{user}/*.jsonl")
    else:
        Path(drop.root, "ada").mkdir()
        for name in (b"bad\xff\xfename.jsonl", b"line\nbreak.jsonl"):
            Path(drop.root, "ada", os.fsdecode(name)).touch()
        found = listed(drop, "{user}/*.jsonl")
    assert found
    assert {file.problem for file in found} == {"bad_name"}


def test_a_place_that_is_not_there(drop: DropPlace) -> None:
    missing = DropPattern.parse(f"{drop.root}nowhere/{{user}}/*.jsonl")
    with DROPS.open(drop.place, drop.credential, seconds=PATIENCE_SECONDS) as opened:
        if drop.place.kind == "s3":
            assert list(opened.files(missing, limit=5)) == []  # a prefix is always there
        else:
            with pytest.raises(DropUnreachable, match="nowhere"):
                list(opened.files(missing, limit=5))


def test_what_is_archived_is_refused_alone(moto: S3Server) -> None:
    drop = s3_place(moto)
    drop.client.put_object(Bucket=BUCKET, Key=drop.root + "ada/a.jsonl", Body=b"{}", StorageClass="GLACIER")
    drop.put("ada/b.jsonl", b"{}")
    with DROPS.open(drop.place, drop.credential, seconds=PATIENCE_SECONDS) as opened:
        archived, other = opened.files(drop.pattern("{user}/*.jsonl"), limit=5)
        with pytest.raises(FileUnreadable, match="InvalidObjectState"):
            opened.read(archived)
        assert opened.read(other) == b"{}"


class EndlessBucket:
    """Pages of objects that are nobody's transcripts."""

    def list_objects_v2(self, **asked: object) -> dict[str, object]:
        found = {"Key": "ada/x.jsonl", "Size": 2, "ETag": '"e"', "LastModified": datetime(2026, 11, 20, tzinfo=UTC)}
        others = [{"Key": f"others/{number}.txt"} for number in range(99)]
        return {"Contents": [found, *others], "IsTruncated": True, "NextContinuationToken": "next"}


def test_a_bucket_of_others_objects_is_not_looked_through_and_says_so() -> None:
    looked = S3Drop(EndlessBucket(), "drops", seconds=30).files(DropPattern.parse("{user}/*.jsonl"), limit=50)
    with pytest.raises(LocationTooLarge, match="more than 500 files"):
        list(looked)


def test_a_key_is_no_path_that_climbs(moto: S3Server) -> None:
    drop = s3_place(moto)
    drop.put("ada/../bob/x.jsonl", b"{}")
    assert [file.problem for file in listed(drop, "{user}/**/*.jsonl")] == ["bad_name"]


@pytest.mark.sftp
def test_only_the_confirmed_host_key_is_accepted(openssh: SshServer, tmp_path: Path) -> None:
    drop = sftp_place(openssh, tmp_path / "drop")
    assert DROPS.host_key(drop.place) == openssh.host_key
    with ssh_server(tmp_path / "other") as second:
        pinned_to_another = replace(drop.place, host_key=second.host_key)
        with (
            pytest.raises(DropRefused) as refused,
            DROPS.open(pinned_to_another, drop.credential, seconds=PATIENCE_SECONDS),
        ):
            pass
        assert refused.value.code == "host_key_changed"
        with (
            pytest.raises(DropRefused) as refused,
            DROPS.open(replace(drop.place, host_key=""), drop.credential, seconds=PATIENCE_SECONDS),
        ):
            pass
        assert refused.value.code == "host_key_unconfirmed"


@pytest.mark.sftp
def test_wrong_credentials_and_private_addresses_are_refused(openssh: SshServer, tmp_path: Path) -> None:
    drop = sftp_place(openssh, tmp_path / "drop")
    for secret, code in (
        (Secret('{"password": "wrong"}'), "credentials_refused"),
        (Secret('{"private_key": "nonsense"}'), "invalid_private_key"),
        (None, "credentials_refused"),
    ):
        with pytest.raises(DropRefused) as refused, DROPS.open(drop.place, secret, seconds=30):
            pass
        assert refused.value.code == code
    with (
        pytest.raises(DropRefused) as refused,
        OutsideDrops().open(drop.place, drop.credential, seconds=PATIENCE_SECONDS),
    ):
        pass
    assert refused.value.code == "private_address"
