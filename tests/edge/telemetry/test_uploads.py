"""What the upload routes take, what they refuse, and where it ends up."""

from __future__ import annotations

import hashlib
import os

import pytest
import zstandard

from tests.builders.house import House
from tests.builders.people import add_person, seed_admin
from tests.builders.telemetry_house import complete, declare, put, upload, upload_form

pytestmark = pytest.mark.slow

SESSION = "5d2c8a10-0001-4f00-9a00-00000000aaaa"
BODY = b'{"type":"user","message":{"role":"user","content":"Hello"}}\n'


@pytest.fixture
def house(tmp_path):
    with House(tmp_path) as house:
        yield house


@pytest.fixture
def admin(house):
    return seed_admin(house)


def stored(house) -> list[str]:
    return [entry.key for entry in house.store.list("sessions/")]


def test_a_form_is_stored_compressed_under_its_session(house, admin):
    answer = upload_form(house, admin, SESSION, BODY)
    assert answer.status == 200
    assert answer.json() == {
        "status": "stored",
        "filename": f"{SESSION}.jsonl",
        "size": len(BODY),
        "session_id": SESSION,
    }
    assert stored(house) == [f"sessions/{admin.id}/{SESSION}/main.jsonl.zst"]
    assert zstandard.decompress(house.store.read(stored(house)[0]).body) == BODY


@pytest.mark.parametrize(
    "filename",
    [
        pytest.param(f"../{SESSION}.jsonl", id="climbing-is-ignored"),
        pytest.param(f"C:\\x\\{SESSION.upper()}.jsonl", id="windows-and-upper-case"),
        pytest.param(SESSION, id="without-suffix"),
    ],
)
def test_the_key_never_comes_from_the_clients_path(house, admin, filename):
    assert upload_form(house, admin, SESSION, BODY, filename=filename).status == 200
    assert stored(house) == [f"sessions/{admin.id}/{SESSION}/main.jsonl.zst"]


@pytest.mark.parametrize("filename", ["..", "notes.jsonl", f"{SESSION}.jsonl.exe", f"x{SESSION}.jsonl", "\u202e.jsonl"])
def test_a_name_that_is_no_session_is_refused(house, admin, filename):
    answer = upload_form(house, admin, SESSION, BODY, filename=filename)
    assert (answer.status, answer.json()["code"]) == (400, "invalid_session_id")
    assert stored(house) == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "not_a_transcript", id="empty"),
        pytest.param(b"\n \n", "not_a_transcript", id="blank"),
        pytest.param(b"\x89PNG\r\n\x1a\n", "not_a_transcript", id="not-utf-8"),
        pytest.param(b"hello\n", "not_a_transcript", id="not-json"),
        pytest.param(b"[1]\n", "not_a_transcript", id="not-an-object"),
        pytest.param(zstandard.compress(BODY), "not_a_transcript", id="compressed"),
    ],
)
def test_a_form_that_is_no_transcript_is_refused(house, admin, body, code):
    answer = upload_form(house, admin, SESSION, body)
    assert (answer.status, answer.json()["code"]) == (422, code)
    assert stored(house) == []


def test_a_form_over_four_megabytes_is_told_the_other_way(house, admin):
    answer = upload_form(house, admin, SESSION, BODY * (4 * 1024 * 1024 // len(BODY) + 1))
    assert (answer.status, answer.json()["code"]) == (413, "form_too_large")
    assert "presign" in answer.json()["hint"]


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        pytest.param({"Content-Type": "application/json"}, b"{}", 415, id="no-form"),
        pytest.param({"Content-Type": "multipart/form-data"}, b"x", 415, id="no-boundary"),
        pytest.param({"Content-Type": "multipart/form-data; boundary=b"}, b"x", 400, id="no-parts"),
        pytest.param(
            {"Content-Type": "multipart/form-data; boundary=b"},
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nx\r\n--b--\r\n',
            400,
            id="no-filename",
        ),
    ],
)
def test_a_form_that_is_none_is_refused(house, admin, headers, body, status):
    assert house.post("/api/upload/sessions", token=admin.token, headers=headers, body=body).status == status


def test_main_and_subagent_files_lie_together(house, admin):
    upload(house, admin, SESSION, BODY)
    done = upload(house, admin, SESSION, BODY * 2, agent_id="a02dc5ac86d314dbf")
    assert (done["agent_id"], done["size"]) == ("a02dc5ac86d314dbf", 2 * len(BODY))
    folder = f"sessions/{admin.id}/{SESSION}"
    assert stored(house) == [f"{folder}/agents/a02dc5ac86d314dbf.jsonl.zst", f"{folder}/main.jsonl.zst"]
    assert len(list(house.store.list("inbox/"))) == 2
    assert list(house.store.list("uploads/")) == []


def test_a_beginning_does_not_replace_the_whole(house, admin):
    assert upload(house, admin, SESSION, BODY * 3)["status"] == "stored"
    assert upload(house, admin, SESSION, BODY)["status"] == "superseded"
    assert upload(house, admin, SESSION, BODY * 4)["status"] == "stored"
    assert upload(house, admin, SESSION, b'{"other":1}\n')["status"] == "stored"
    assert zstandard.decompress(house.store.read(stored(house)[0]).body) == b'{"other":1}\n'


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        pytest.param({"session_id": "../x"}, 400, "invalid_session_id", id="session"),
        pytest.param({"agent_id": "../../x"}, 400, "invalid_agent_id", id="agent"),
        pytest.param({"agent_id": "main"}, 400, "invalid_agent_id", id="agent-named-main"),
        pytest.param({"sha256": "x"}, 422, "invalid_sha256", id="sha256"),
        pytest.param({"size_bytes": 0}, 422, "invalid_input", id="nothing"),
        pytest.param({"size_bytes": 60_000_000}, 413, "transcript_too_large", id="too-large"),
        pytest.param({"encoding": "gzip"}, 422, "invalid_input", id="encoding"),
        pytest.param({"key": "sessions/x"}, 422, "invalid_input", id="unknown-field"),
    ],
)
def test_a_declaration_that_is_not_sound_is_refused(house, admin, changed, status, code):
    wish = {
        "session_id": SESSION,
        "agent_id": None,
        "size_bytes": 10,
        "sha256": "0" * 64,
        "encoding": "zstd",
        **changed,
    }
    answer = house.post("/api/upload/sessions/presign", token=admin.token, json_body=wish)
    assert (answer.status, answer.json()["code"]) == (status, code)


def random_frame(size: int) -> bytes:
    return zstandard.compress(os.urandom(size))


@pytest.mark.parametrize(
    ("packed", "status", "code"),
    [
        pytest.param(b"plain text", 422, "not_zstd", id="not-zstd"),
        pytest.param(zstandard.compress(BODY)[:-3], 422, "not_zstd", id="torn"),
        pytest.param(zstandard.compress(BODY) + b"tail", 422, "not_zstd", id="tail"),
        pytest.param(zstandard.ZstdCompressor(write_content_size=False).compress(BODY), 422, "not_zstd", id="no-size"),
        pytest.param(zstandard.compress(b"0" * 60_000_000), 413, "transcript_too_large", id="bomb"),
        pytest.param(random_frame(100), 422, "not_a_transcript", id="not-utf-8"),
    ],
)
def test_what_was_put_is_judged_before_it_is_published(house, admin, packed, status, code):
    answer = declare(house, admin, SESSION, packed).json()
    put(house, answer, packed)
    done = complete(house, admin, answer["upload_id"])
    assert (done.status, done.json()["code"]) == (status, code)
    assert done.json()["hint"]
    assert stored(house) == []
    assert list(house.store.list("inbox/")) == []


def test_a_lying_size_in_the_frame_is_found(house, admin):
    """The header says 10 bytes, the blocks hold 60 million."""
    honest = zstandard.compress(b"0" * 60_000_000)
    small = zstandard.compress(b"0" * 10)
    size = zstandard.get_frame_parameters(honest)
    assert size.content_size == 60_000_000
    header = zstandard.frame_header_size(honest)
    lying = honest[:4] + bytes([0xA0]) + (10).to_bytes(4, "little") + honest[header:]
    assert zstandard.get_frame_parameters(lying).content_size == 10
    assert len(small) < len(lying)
    answer = declare(house, admin, SESSION, lying).json()
    put(house, answer, lying)
    assert complete(house, admin, answer["upload_id"]).json()["code"] == "not_zstd"


def test_completing_needs_the_object_and_the_person(house, admin):
    mira = add_person(house, admin, "mira@example.com")
    packed = zstandard.compress(BODY)
    answer = declare(house, admin, SESSION, packed).json()
    assert complete(house, admin, answer["upload_id"]).json()["code"] == "upload_missing"
    put(house, answer, packed)
    assert complete(house, mira, answer["upload_id"]).json()["code"] == "unknown_upload"
    text, _, signature = answer["upload_id"].partition(".")
    for forged in ("", "x", f"{text}.{'0' * 64}", f"{text}x.{signature}", f".{signature}"):
        assert complete(house, admin, forged).json()["code"] == "unknown_upload"
    assert complete(house, admin, answer["upload_id"]).status == 200
    assert complete(house, admin, answer["upload_id"]).json()["status"] == "unchanged"


def test_an_object_that_is_not_the_declared_one_is_refused(house, admin):
    from agnes.kernel.ports import ANYTHING

    packed = zstandard.compress(BODY)
    answer = declare(house, admin, SESSION, packed).json()
    staging = f"uploads/{admin.id}/{SESSION}/main-{hashlib.sha256(packed).hexdigest()}.zst"
    for body in (zstandard.compress(BODY * 2), packed[::-1]):
        house.store.write(staging, body, expect=ANYTHING)
        assert complete(house, admin, answer["upload_id"]).json()["code"] == "upload_differs"
    assert stored(house) == []


@pytest.mark.parametrize(
    "path", ["/api/upload/sessions", "/api/upload/sessions/presign", "/api/upload/sessions/complete"]
)
def test_strangers_upload_nothing(house, path):
    assert house.post(path, json_body={}).status == 401
