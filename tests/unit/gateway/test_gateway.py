"""The running gateway, from outside."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import socket
import time
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest

from agnes import wiring
from agnes.kernel.ports import ANYTHING, upload_headers
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.secrets_file import SecretsFile
from tests.builders.embedded import EmbeddedServer
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

ERROR_FIELDS = {"code", "message", "hint", "request_id"}


def access_log(server: EmbeddedServer, path: str) -> dict:
    """The last line of the access log for this path."""
    for _ in range(100):
        lines = [line for line in server.log.read_text().splitlines() if line.startswith('{"at":') and '"ms":' in line]
        found = [line for line in map(json.loads, lines) if line["path"].startswith(path)]
        if found:
            return found[-1]
        time.sleep(0.02)
    raise AssertionError(f"{path} is not in the access log")


def store_of(server: EmbeddedServer) -> FolderStore:
    """The server's own store, opened from here: what it signs, the server takes."""
    data = server.log.parent / "data"
    secret = SecretsFile(data / "secrets.json").get("signing")
    return FolderStore(data / "store", secret=secret, base_url=server.base_url)


def test_health_is_public_and_says_no_more_than_it_must(client: httpx.Client) -> None:
    answer = client.get("/api/health")
    assert answer.status_code == 200
    body = answer.json()
    assert body["status"] == "ok"
    assert body["db_schema"] == "ok"
    assert body["current"] == body["expected"] > 0


def test_liveness_and_readiness_are_public(client: httpx.Client) -> None:
    assert client.get("/api/health/live").json() == {"status": "ok"}
    ready = client.get("/api/health/ready")
    assert (ready.status_code, ready.json()) == (200, {"status": "ok", "failing": []})


def test_unknown_path_is_our_json(client: httpx.Client) -> None:
    answer = client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.json().keys() == ERROR_FIELDS
    assert answer.json()["code"] == "not_found"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]


def test_unknown_path_is_a_page_for_a_browser(client: httpx.Client) -> None:
    answer = client.get("/nothing", headers={"Accept": "text/html,*/*"})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Content-Security-Policy" in answer.headers
    assert "nothing at this path" in answer.text


def test_unknown_method_names_those_that_there_are(client: httpx.Client) -> None:
    answer = client.delete("/api/version")
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, HEAD"
    assert answer.json()["code"] == "method_not_allowed"


def test_head_is_get_without_its_body(client: httpx.Client) -> None:
    whole, head = client.get("/api/version"), client.head("/api/version")
    assert head.status_code == 200
    assert head.content == b""
    assert head.headers["Content-Length"] == str(len(whole.content))


def test_text_is_compressed_for_who_takes_it(client: httpx.Client) -> None:
    plain = client.get("/static/css/agnes.css", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    with client.stream("GET", "/static/css/agnes.css", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 2


def test_small_answers_are_not_compressed(client: httpx.Client) -> None:
    assert "Content-Encoding" not in client.get("/api/version", headers={"Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize("chunked", [False, True], ids=["said length", "chunked"])
def test_a_huge_body_is_refused(client: httpx.Client, *, chunked: bool) -> None:
    body = b"0" * 10_000_001
    content = (body[at : at + 1_000_000] for at in range(0, len(body), 1_000_000)) if chunked else body
    answer = client.post("/auth/token", content=content)
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


def test_a_large_body_is_refused_by_the_function(client: httpx.Client) -> None:
    answer = client.post("/auth/token", content=b"0" * 5_000_000, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert "presigned" in answer.json()["hint"]


def test_a_request_id_is_taken_over_and_logged(client: httpx.Client, server: EmbeddedServer) -> None:
    answer = client.get("/api/version", headers={"X-Request-Id": "from-outside_1!<"})
    assert answer.headers["X-Request-Id"] == "from-outside_1"
    line = access_log(server, "/api/version")
    assert line["function"] == "ops-get_version"
    assert line["status"] == 200


def test_the_log_holds_no_secret(client: httpx.Client, server: EmbeddedServer) -> None:
    client.get("/setup", params={"secret": "sesame", "other": "kept"})
    line = access_log(server, "/setup")
    assert line["path"] == "/setup?secret=…&other=kept"
    assert "sesame" not in server.log.read_text()


def test_path_parameters_reach_the_function_decoded_once(client: httpx.Client, admin: dict[str, str]) -> None:
    answer = client.get("/api/users/a%2Fb%2525", headers=admin)
    assert answer.status_code == 404
    assert answer.json()["code"] != "not_found" or "nothing at this path" not in answer.json()["message"]


def test_cookies_come_one_a_header(server: EmbeddedServer) -> None:
    form = {"email": "ada@example.com", "password": "correct horse battery", "next": "/marketplace"}
    answer = httpx.post(f"{server.base_url}/auth/password/login/web", data=form, trust_env=False)
    assert answer.status_code == 303
    cookie = answer.headers["set-cookie"].partition(";")[0]
    answer = httpx.post(f"{server.base_url}/auth/logout", headers={"Cookie": cookie}, trust_env=False)
    assert answer.status_code == 303
    names = {cookie.partition("=")[0] for cookie in answer.headers.get_list("set-cookie")}
    assert "access_token" in names
    assert len(answer.headers.get_list("set-cookie")) == len(names) >= 2


def test_a_stored_object_is_fetched_by_presigned_url(client: httpx.Client, server: EmbeddedServer) -> None:
    body = b"PK" + bytes(300_000)
    store = store_of(server)
    store.write("feed/x.zip", body, expect=ANYTHING)
    url = store.presign_get("feed/x.zip", seconds=60, filename="márket.zip", content_type="application/zip")
    answer = client.get(url)
    assert answer.content == body
    assert answer.headers["Content-Type"] == "application/zip"
    assert "filename*=UTF-8''m%C3%A1rket.zip" in answer.headers["Content-Disposition"]
    assert client.head(url).headers["Content-Length"] == str(len(body))
    refused = client.get(url.replace("x.zip", "y.zip", 1))
    assert (refused.status_code, refused.json()["code"]) == (403, "presign_refused")
    assert "signature" not in access_log(server, "/_store/feed/x.zip")["path"]


def test_a_stored_object_is_fetched_in_ranges(client: httpx.Client, server: EmbeddedServer) -> None:
    body = random.Random(7).randbytes(300_000)
    store = store_of(server)
    store.write("feed/ranges.zip", body, expect=ANYTHING)
    url = store.presign_get("feed/ranges.zip", seconds=60)

    def ask(**headers: str) -> httpx.Response:
        return client.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()})

    etag = ask().headers["ETag"]
    for given, part in (("bytes=100000-", body[100_000:]), ("bytes=5-9", body[5:10]), ("bytes=-3", body[-3:])):
        answer = ask(Range=given, If_Range=etag)
        assert (answer.status_code, answer.content) == (206, part), given
    assert ask(Range="bytes=5-9").headers["Content-Range"] == "bytes 5-9/300000"
    assert ask(Range="bytes=300000-").status_code == 416
    for given in ("bytes=1-2,5-6", "lines=1-2", "bytes=x"):
        assert (ask(Range=given).status_code, ask(Range=given).content) == (200, body), given
    store.write("feed/ranges.zip", body[::-1], expect=ANYTHING)
    changed = ask(Range="bytes=5-9", If_Range=etag)
    assert (changed.status_code, changed.content) == (200, body[::-1]), "never a part of another version"


def test_a_large_upload_streams_in_by_presigned_url(client: httpx.Client, server: EmbeddedServer) -> None:
    body = bytes(range(256)) * 100_000
    digest = hashlib.sha256(body).hexdigest()
    store = store_of(server)
    url = store.presign_put(
        "uploads/big", seconds=60, size_bytes=len(body), sha256_hex=digest, content_type="application/zstd"
    )
    headers = upload_headers(sha256_hex=digest, content_type="application/zstd")
    answer = client.put(url, content=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["ETag"]
    assert store.read("uploads/big").body == body
    wrong = client.put(url, content=body[:-1] + b"x", headers=headers)
    assert (wrong.status_code, wrong.json()["code"]) == (400, "upload_mismatch")
    assert store.read("uploads/big").body == body


def test_an_expired_url_is_refused(client: httpx.Client, server: EmbeddedServer) -> None:
    store = store_of(server)
    url = store.presign_get("feed/x.zip", seconds=-1)
    assert client.get(url).json()["code"] == "presign_refused"


def test_a_malformed_request_is_no_crash(server: EmbeddedServer, client: httpx.Client) -> None:
    parts = urlsplit(server.base_url)
    for request in (
        b"GET /%zz%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://other/api/version HTTP/1.1\r\nHost: x\r\n\r\n",
    ):
        with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS) as raw:
            raw.sendall(request)
            assert raw.recv(65536).startswith((b"HTTP/1.1 404", b"HTTP/1.1 200", b"HTTP/1.1 400"))
    assert client.get("/api/version").status_code == 200


def test_the_api_describes_itself(client: httpx.Client, admin: dict[str, str]) -> None:
    assert client.get("/api/openapi.json").status_code == 401
    document = client.get("/api/openapi.json", headers=admin).json()
    assert document["openapi"] == "3.1.0"
    health = document["paths"]["/api/health"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    name = health["$ref"].rpartition("/")[2]
    assert document["components"]["schemas"][name]["properties"].keys() == {
        *("status", "db_schema", "current", "expected", "failing")
    }


def test_detailed_health_is_for_admins(client: httpx.Client, admin: dict[str, str]) -> None:
    assert client.get("/api/health/detailed").status_code == 401
    body = client.get("/api/health/detailed", headers=admin).json()
    assert body["status"] in ("healthy", "degraded")
    assert body["store"]["status"] == "ok"
    assert body["state"]["people"]["status"] == "ok"
    assert body["state"]["people"]["generation"] >= 1
    assert body["jobs"]["ops.prepare"]["status"] == "ok"
    assert datetime.fromisoformat(body["jobs"]["ops.prepare"]["at"]) <= datetime.now(UTC)


def test_several_processes_serve(server: EmbeddedServer) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(server.workers()) != 2:
        assert time.monotonic() < deadline, server.workers()
        time.sleep(0.1)


def test_nothing_of_the_server_is_in_this_process() -> None:
    assert wiring._current is None
