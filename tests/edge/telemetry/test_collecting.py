"""Collecting from a folder, through the routes that admins and operators use."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from agnes.telemetry.collecting import collector
from agnes.telemetry.transcripts import trimming
from tests.builders.drop_places import DropPlace, folder_place
from tests.builders.house import Answer, House
from tests.builders.people import Person, add_person, seed_admin
from tests.builders.real_transcripts import main_file
from tests.builders.rogue_sftp import Conduct, rogue_sftp
from tests.builders.telemetry_house import run_usage, tables, upload, upload_form
from tests.builders.transcripts import Transcript

pytestmark = pytest.mark.slow

OPERATOR = "o" * 32
LOCATIONS = "/api/admin/usage/locations"
A = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
B = "5d2c8a10-0001-4f00-9a00-00000000bbbb"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    environ = {"SCHEDULER_API_TOKEN": OPERATOR, "AGNES_COLLECT_ALLOW": "folder,private"}
    with House(tmp_path, environ=environ) as house:
        yield house


@pytest.fixture
def admin(house: House) -> Person:
    return seed_admin(house)


@pytest.fixture
def drop(tmp_path: Path) -> DropPlace:
    return folder_place(tmp_path / "homes")


def body(session: str, *skills: str) -> bytes:
    transcript = Transcript(session)
    for skill in skills or ("finops:forecast",):
        transcript.use("Skill", skill=skill)
    return transcript.body()


def add(house: House, admin: Person, wish: dict[str, Any], status: int = 201) -> Answer:
    answer = house.post(LOCATIONS, token=admin.token, json_body=wish)
    assert answer.status == status, answer.text
    return answer


def collect(house: House, *, dry_run: bool = False) -> dict[str, Any]:
    answer = house.post(f"/api/admin/run-session-collector?dry_run={str(dry_run).lower()}", token=OPERATOR)
    assert answer.status == 200, answer.text
    return answer.json()["details"]


def one(house: House, **how: bool) -> dict[str, Any]:
    [report] = collect(house, **how)["locations"].values()
    return report


def stored(house: House) -> list[str]:
    return [entry.key for entry in house.store.list("sessions/")]


def test_what_lies_there_arrives_as_if_it_had_been_uploaded(house, admin, drop):
    mira = add_person(house, admin, "mira@example.com")
    drop.put(f"mira@example.com/.claude/projects/-work/{A}.jsonl", body(A))
    drop.put(f"mira@example.com/.claude/projects/-work/{A}/subagents/agent-abc.jsonl", body(A))
    drop.put("mira@example.com/.claude/projects/-work/agent-old.jsonl", body(B))
    drop.put("mira@example.com/.claude/projects/-work/renamed.jsonl", body(B))
    add(house, admin, drop.wish("homes", "{user}/.claude/projects/**/*.jsonl"))
    report = one(house, dry_run=True)
    assert (report["seen"], report["fetched"], stored(house)) == (4, 4, [])
    assert one(house)["fetched"] == 4
    assert stored(house) == [
        f"sessions/{mira.id}/{A}/agents/abc.jsonl.zst",
        f"sessions/{mira.id}/{A}/main.jsonl.zst",
        f"sessions/{mira.id}/{B}/agents/old.jsonl.zst",
        f"sessions/{mira.id}/{B}/main.jsonl.zst",
    ]
    assert run_usage(house, admin)["sessions"] == 2
    nested = f"mira@example.com/.claude/projects/-work/{A}/subagents/workflows/wf_9f"
    drop.put(f"{nested}/agent-abc.jsonl", body(A))
    drop.put(f"{nested}/journal.jsonl", body(A))
    drop.put(f"mira@example.com/.claude/projects/-work/{B}.jsonl", codecs.BOM_UTF8 + body(B) + body(B))
    report = one(house)
    assert (report["fetched"], report["refused"]) == (2, {"not_a_transcript": 1})
    assert f"sessions/{mira.id}/{A}/agents/workflows.wf_9f.abc.jsonl.zst" in stored(house)
    run_usage(house, admin)
    beat = json.loads(house.store.read("jobs/telemetry.collect/last.json").body)
    assert (beat["ok"], beat["report"]["fetched"]) == (True, 2)


@pytest.mark.parametrize("keep_all", ["false", "true"])
def test_copies_of_requests_are_left_out_as_in_an_upload(tmp_path: Path, keep_all: str):
    environ = {"SCHEDULER_API_TOKEN": OPERATOR, "AGNES_COLLECT_ALLOW": "folder", "TRANSCRIPTS_KEEP_ALL": keep_all}
    with House(tmp_path, environ=environ) as house:
        admin, drop = seed_admin(house), folder_place(tmp_path / "homes")
        whole = main_file("headless").read_bytes()
        drop.put(f"{admin.email}/.claude/projects/-work/{A}.jsonl", whole)
        add(house, admin, drop.wish("homes", "{user}/.claude/projects/**/*.jsonl"))
        assert one(house)["fetched"] == 1
        assert upload_form(house, admin, B, whole).status == 200
        bodies = [zstandard.decompress(house.store.read(key).body) for key in stored(house)]
        assert bodies == [whole if keep_all == "true" else trimming.trim(whole)] * 2


def test_an_idle_run_reads_nothing_and_only_what_grew_comes_again(house, admin, drop):
    path = f"{admin.email}/{A}.jsonl"
    drop.put(path, body(A))
    drop.put(f"{admin.email}/{B}.jsonl", body(B))
    add(house, admin, drop.wish("homes", "{user}/*.jsonl"))
    collect(house)
    run_usage(house, admin)
    before = house.state.generation("collector")
    report = one(house)
    assert (report["fetched"], report["unchanged"], list(house.store.list("inbox/"))) == (0, 2, [])
    assert house.state.generation("collector") == before
    # Written in the middle of a line: the next run has the rest.
    drop.put(path, body(A, "finops:forecast", "finops:budget")[:-20])
    assert one(house)["fetched"] == 1
    run_usage(house, admin)
    cut = tables(house)
    drop.put(path, body(A, "finops:forecast", "finops:budget"))
    assert one(house)["fetched"] == 1
    run_usage(house, admin)
    assert tables(house) != cut


def test_collected_and_uploaded_are_the_same(house, admin, drop, tmp_path):
    drop.put(f"{admin.email}/{A}.jsonl", body(A))
    add(house, admin, drop.wish("homes", "{user}/*.jsonl"))
    collect(house)
    run_usage(house, admin)
    with House(tmp_path / "other") as other:
        owner = seed_admin(other)
        upload(other, owner, A, body(A))
        run_usage(other, owner)
        uploaded = json.dumps(tables(other)).replace(owner.id, "")
    assert json.dumps(tables(house)).replace(admin.id, "") == uploaded


@pytest.mark.parametrize("by_user", [False, True])
def test_what_was_redacted_is_never_fetched_again(house, admin, drop, by_user):
    path = f"{admin.email}/{A}.jsonl"
    drop.put(path, body(A))
    add(house, admin, drop.wish("homes", "{user}/*.jsonl"))
    collect(house)
    run_usage(house, admin)
    house.clock.sleep(3600)
    at = f"/api/admin/usage/sessions/{admin.id}" + ("" if by_user else f"/{A}")
    assert house.delete(at, token=admin.token).status == 200
    for skills in (("finops:forecast",), ("finops:forecast", "finops:budget"), ("a:b", "c:d", "e:f")):
        drop.put(path, body(A, *skills))
        report = one(house)
        assert report["refused"] in ({"session_redacted": 1}, {}), report
        assert report["fetched"] == 0
        assert stored(house) == []
    assert one(house)["refused"] == {"session_redacted": 1}


def test_who_somebody_is_is_never_guessed(house, admin, drop):
    for email in ("mira@a.example.com", "mira@b.example.com", "omar@a.example.com", "gone@a.example.com"):
        person = add_person(house, admin, email)
        if email.startswith("gone"):
            house.post(f"/api/users/{person.id}/deactivate", token=admin.token)
        if email.startswith("omar"):
            omar = person
    for word in ("mira", "omar", "gone", "nobody", "OMAR", "omar@a.example.com"):
        drop.put(f"{word}/{A}.jsonl", body(A))
    add(house, admin, drop.wish("homes", "{user}/*.jsonl", "local_part"))
    report = one(house)
    assert report["refused"] == {"ambiguous_person": 1, "deactivated_person": 1, "no_such_person": 2}
    assert stored(house) == [f"sessions/{omar.id}/{A}/main.jsonl.zst"]
    assert any("mira" in line and "ambiguous_person" in line for line in report["examples"])
    house.call("PATCH", f"{LOCATIONS}/homes", token=admin.token, json_body={"enabled": False})
    people = {"mira": "mira@b.example.com", "nobody": omar.id}
    add(house, admin, drop.wish("mapped", "{user}/*.jsonl", "map", people=people))
    details = collect(house)
    assert details["skipped"] == ["homes"]
    assert details["locations"]["mapped"]["fetched"] == 2
    assert details["locations"]["mapped"]["refused"] == {"no_such_person": 4}


def test_hostile_files_are_refused_by_name_and_the_others_arrive(house, admin, drop):
    drop.put(f"{admin.email}/{A}.jsonl", body(A))
    drop.put(f"{admin.email}/words.jsonl", b"not json at all\n")
    drop.put(f"{admin.email}/nameless.jsonl", b'{"type":"user"}\n')
    drop.put(f"{admin.email}/lying.jsonl", b'{"sessionId":"../../etc"}\n{"sessionId":5}\n')
    drop.put(f"{admin.email}/deep.jsonl", b'{"x":' + b"[" * 100_000)
    drop.put(f"{admin.email}/bytes.jsonl", b'{"sessionId":"\xff"}\n')
    drop.put(f"{admin.email}/empty.jsonl", b"")
    drop.put(f"{admin.email}/{B}.jsonl", b"\xff\xfe\x00")
    drop.put(f"{admin.email}/line\nbreak.jsonl", body(B))
    Path(drop.root, admin.email, "link.jsonl").symlink_to(f"{A}.jsonl")
    os.mkfifo(Path(drop.root, admin.email, "pipe.jsonl"))
    with Path(drop.root, admin.email, "huge.jsonl").open("wb") as huge:
        huge.truncate(51 * 1024 * 1024)
    add(house, admin, drop.wish("homes", "{user}/*.jsonl"))
    expected = {
        "no_session_id": 5,
        "empty": 1,
        "not_a_transcript": 1,
        "bad_name": 1,
        "symlink": 1,
        "not_a_file": 1,
        "transcript_too_large": 1,
    }
    for fetched, unchanged in ((1, 0), (0, 1)):  # the second time nothing of it is read again
        report = one(house)
        assert report["refused"] == expected
        assert (report["fetched"], report["unchanged"], report["error"]) == (fetched, unchanged, None)
    assert len(stored(house)) == 1
    assert "line\n" not in json.dumps(report["examples"]).replace("\\\\n", "")


def test_one_location_that_fails_does_not_stop_another(house, admin, drop):
    drop.put(f"{admin.email}/{A}.jsonl", body(A))
    add(house, admin, drop.wish("good", "{user}/*.jsonl"))
    add(house, admin, drop.wish("missing", "nowhere/{user}/*.jsonl"))
    files = {f"{B}.jsonl".encode(): body(B), f"{B[:-1]}c.jsonl".encode(): body(B) + b"\n" * 300_000}
    with rogue_sftp(
        Conduct(names={admin.email.encode(): b""}, files=files, die_reading=f"{B[:-1]}c.jsonl".encode())
    ) as rogue:
        place = {"host": rogue.place.host, "port": rogue.place.port, "username": rogue.place.username}
        wish = {"id": "dying", "kind": "sftp", "pattern": "/{user}/*.jsonl", "matching": "email", **place}
        credential = json.loads(rogue.credential.value)
        add(house, admin, {**wish, "host_key": rogue.place.host_key, "credential": credential})
        details = collect(house)
    found = details["locations"]
    assert details["failed"] == 2
    assert (found["good"]["fetched"], found["good"]["error"]) == (1, None)
    assert (found["missing"]["error_code"], found["missing"]["fetched"]) == ("location_missing", 0)
    assert (found["dying"]["fetched"], found["dying"]["left"]) == (1, 1)
    assert found["dying"]["error_code"] == "location_unreachable"
    assert len(stored(house)) == 2


def test_a_file_that_the_server_cannot_read_costs_itself(house, admin):
    names = [f"{B[:-1]}{digit}.jsonl".encode() for digit in "123"]
    files = dict.fromkeys(names, body(B))
    with rogue_sftp(Conduct(names={admin.email.encode(): b""}, files=files, refuse_reading=names[0])) as rogue:
        place = {"host": rogue.place.host, "port": rogue.place.port, "username": rogue.place.username}
        wish = {"id": "sick", "kind": "sftp", "pattern": "/{user}/*.jsonl", "matching": "email", **place}
        credential = json.loads(rogue.credential.value)
        add(house, admin, {**wish, "host_key": rogue.place.host_key, "credential": credential})
        report = one(house)
    assert (report["fetched"], report["refused"], report["error"]) == (2, {"unreadable": 1}, None)


def test_more_files_than_are_looked_at_are_said(house, admin, drop):
    for digit in "123":
        drop.put(f"{admin.email}/{B[:-1]}{digit}.jsonl", body(B))
    add(house, admin, drop.wish("homes", "{user}/*.jsonl"))
    outside = {name: getattr(house.wiring, name) for name in ("drops", "secrets")}
    for most, code in ((2, "location_too_large"), (3, None)):
        found = collector.collect(
            house.state, house.store, **outside, clock=house.clock, limits=collector.Limits(location_files=most)
        )
        report = found.locations["homes"]
        assert (report.error_code, report.seen, report.left) == (code, most, 0)
    assert len(stored(house)) == 3


def test_a_location_is_looked_at_before_it_is_saved(house, admin):
    with rogue_sftp(
        Conduct(names={admin.email.encode(): b"", b"who": b""}, files={f"{A}.jsonl".encode(): body(A)})
    ) as rogue:
        place = {"host": rogue.place.host, "port": rogue.place.port, "username": rogue.place.username}
        wish = {"id": "sftp", "kind": "sftp", "pattern": "/{user}/*.jsonl", "matching": "email", **place}
        wish["credential"] = json.loads(rogue.credential.value)
        shown = house.post(f"{LOCATIONS}/test", token=admin.token, json_body=wish).json()
        assert (shown["ok"], shown["confirmed"], shown["host_key"]) == (False, False, rogue.place.host_key)
        assert shown["fingerprint"].startswith("SHA256:")
        assert add(house, admin, wish, 400).json()["code"] == "host_key_unconfirmed"
        wish["host_key"] = f"files.example.com {shown['host_key']} a comment"
        looked = house.post(f"{LOCATIONS}/test", token=admin.token, json_body=wish).json()
        assert (looked["ok"], looked["files_seen"], looked["refused"]) == (True, 2, {"no_such_person": 1})
        assert {(s["email"], s["session_id"], s["problem"]) for s in looked["samples"]} == {
            (admin.email, A, None),
            (None, A, "no_such_person"),
        }
        saved = add(house, admin, wish)
        assert saved.json()["host_key"] == rogue.place.host_key
        assert "let-me-in" not in saved.text + house.get(LOCATIONS, token=admin.token).text
        again = house.post(f"{LOCATIONS}/sftp/test", token=admin.token).json()
        assert (again["ok"], again["files_seen"]) == (True, 2)
        assert stored(house) == []


def test_a_credential_does_not_go_along_to_another_server(house, admin, drop):
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
    wish = {"id": "s", "kind": "sftp", "host": "a.example.com", "username": "u", "host_key": key}
    add(house, admin, {**wish, "pattern": "/{user}/*.jsonl", "matching": "id", "credential": {"password": "pw-pw-pw"}})

    def patch(change: dict[str, Any]) -> Answer:
        return house.call("PATCH", f"{LOCATIONS}/s", token=admin.token, json_body=change)

    def kept() -> list[str]:
        names = json.loads((house.wiring.settings.agnes_data_dir / "secrets.json").read_text())
        return [name for name in names if name.startswith("collector/")]

    [name] = kept()
    assert patch({"host": "b.example.com", "host_key": key}).json()["code"] == "credential_required"
    assert patch({"host": "b.example.com", "credential": {}}).json()["code"] == "host_key_unconfirmed"
    assert patch({"port": 2222, "host_key": key, "credential": {"password": "new-new"}}).json()["port"] == 2222
    assert name not in kept()
    assert patch({"credential": {}}).json()["has_credential"] is False
    assert kept() == []
    assert house.delete(f"{LOCATIONS}/s", token=admin.token).status == 204
    assert patch({"enabled": False}).json()["code"] == "location_not_found"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"pattern": "/home/x.jsonl"}, "invalid_pattern"),
        ({"pattern": "/home/{user}/{user}.jsonl"}, "invalid_pattern"),
        ({"pattern": "/home/{user}/../*.jsonl"}, "invalid_pattern"),
        ({"pattern": "/home/{user}/*"}, "invalid_pattern"),
        ({"pattern": "/home/**/{user}/x.jsonl"}, "invalid_pattern"),
        ({"pattern": "/{user}/*.jsonl"}, "invalid_pattern"),
        ({"pattern": "home/{user}/*.jsonl"}, "invalid_pattern"),
        ({"id": "Homes"}, "invalid_location_id"),
        ({"id": "test"}, "invalid_location_id"),
        ({"host": "example.com"}, "invalid_host"),
        ({"credential": {"password": "x"}}, "invalid_credential"),
        ({"matching": "map"}, "invalid_people"),
        ({"people": {"a": "b"}}, "invalid_people"),
        ({"kind": "s3", "bucket": "B", "pattern": "{user}.jsonl"}, "invalid_bucket"),
        ({"kind": "s3", "bucket": "bucket", "pattern": "/{user}.jsonl"}, "invalid_pattern"),
        ({"kind": "s3", "bucket": "bucket", "pattern": "{user}.jsonl", "endpoint": "ftp://x"}, "invalid_endpoint"),
        ({"kind": "sftp", "host": "-x", "username": "u"}, "invalid_host"),
        ({"kind": "sftp", "host": "x", "username": "u", "host_key": "ssh-rsa AAAA"}, "invalid_host_key"),
        ({"kind": "sftp", "host": "x", "username": "u"}, "host_key_unconfirmed"),
    ],
)
def test_a_wrong_location_is_refused_with_its_reason(house, admin, change, code):
    wish = {"id": "homes", "kind": "folder", "pattern": "/home/{user}/*.jsonl", "matching": "email", **change}
    assert add(house, admin, wish, 400).json()["code"] == code


def test_what_settings_do_not_allow_is_refused_when_it_is_used(tmp_path):
    with House(tmp_path, environ={"SCHEDULER_API_TOKEN": OPERATOR}) as house:
        admin = seed_admin(house)
        add(house, admin, folder_place(tmp_path / "d").wish("homes", "{user}/*.jsonl"))
        assert one(house)["error_code"] == "folder_not_allowed"
        tested = house.post(f"{LOCATIONS}/homes/test", token=admin.token).json()
        assert (tested["ok"], tested["error_code"]) == (False, "folder_not_allowed")


def test_only_admins_and_operators(house, admin):
    mira = add_person(house, admin, "mira@example.com")
    for method, path in (
        *(("GET", LOCATIONS), ("POST", LOCATIONS), ("PATCH", f"{LOCATIONS}/x"), ("DELETE", f"{LOCATIONS}/x")),
        *(("POST", f"{LOCATIONS}/test"), ("POST", f"{LOCATIONS}/x/test"), ("POST", "/api/admin/run-session-collector")),
        ("GET", LOCATIONS.replace("usage", "telemetry")),
    ):
        assert house.call(method, path, token=mira.token, json_body={}).status == 403, path
        assert house.call(method, path).status == 401, path
    assert house.post(LOCATIONS, token=OPERATOR, json_body={}).status in (401, 403)
