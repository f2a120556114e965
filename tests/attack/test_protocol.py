"""What the connection itself may be tricked with: two requests in one, paths written otherwise, headers that name another."""

from __future__ import annotations

import contextlib
import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.attack.installation import INSIDE, OPERATOR_TOKEN, AttackedInstallation
from tests.builders.patience import PATIENCE_SECONDS

ADMIN_PATH = "/api/users"
SMUGGLED = b"GET /api/version HTTP/1.1\r\nHost: x\r\n\r\n"


def raw(installation: AttackedInstallation, sent: bytes) -> bytes:
    """What the server answers before it closes the connection, or falls silent for two seconds.

    It answers each of these requests or closes the connection, so the first piece is waited for.
    """
    parts = urlsplit(installation.target.base_url)
    received = b""
    with socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(sent)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while chunk := connection.recv(65536):
                received += chunk
                connection.settimeout(2)
    installation.calls += 1
    for secret in (*installation.secrets, *INSIDE):
        assert secret not in received.decode("latin-1")
    assert b"HTTP/1.1 500" not in received
    return received


AMBIGUOUS = {
    "two lengths": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: %d\r\n\r\n",
    "a list of lengths": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: 0, %d\r\n\r\n",
    "a length and chunks": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks twice": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nX: %d\r\n\r\n0\r\n\r\n",
    "chunks in disguise": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: %d\r\n\r\n",
    "a space before the colon": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length : %d\r\n\r\n",
    "a signed length": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent-Length: +%d\r\n\r\n",
    "a length with an underscore": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nContent_Length: %d\r\n\r\n",
    "a folded header": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nX: y\r\n Content-Length: %d\r\n\r\n",
    "a NUL in a header": b"GET /api/version HTTP/1.1\r\nHost: x\r\nX: a\x00b%d\r\n\r\n",
    "a bare CR": b"GET /api/version HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: %d\r\n\r\n",
    "chunks of HTTP/1.0": b"POST /auth/token HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nX: %d\r\n\r\n0\r\n\r\n",
    "a negative chunk": b"POST /auth/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n%d\r\n0\r\n\r\n",
}
"""Requests whose end two servers may see in two places."""


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_request_with_two_ends_is_refused_or_closed(attacked: AttackedInstallation, name: str):
    sent = AMBIGUOUS[name].replace(b"%d", str(len(SMUGGLED)).encode()) + SMUGGLED
    answers = raw(attacked, sent)
    first = answers.split(b"\r\n", 1)[0].split(b" ")[1] if answers else b""
    assert answers.count(b"HTTP/1.1 ") <= 2, answers[:2000]
    if name in (
        "two lengths",
        "a list of lengths",
        "a length and chunks",
        "chunks twice",
        "a signed length",
        "a negative chunk",
        "chunks of HTTP/1.0",
    ):
        assert answers == b"" or int(first) >= 400, answers[:500]
        assert answers.count(b"HTTP/1.1 ") <= 1, "what followed was answered, too"


PATHS = (
    "//api/users", "/./api/users", "/api/./users", "/api//users", "/api/users/", "/api/users;x", "/api/users%00", "/api/users%20", "/api/users.json",
    "/api/%75sers", "/API/USERS", "/api/me/../users", "/api/me/%2e%2e/users", "/api/me/%252e%252e/users", "/static/%2e%2e/api/users",
    "/static/css/..%2f..%2f..%2fetc%2fpasswd", "/static/css/....//....//etc/passwd", "/static/css/%c0%ae%c0%ae/etc/passwd", "/static/..\\..\\x",
    "/static/css/%2e%2e%2f%2e%2e%2fagnes.css", "/_store/../secrets.json", "/_store/%2e%2e/secrets.json", "/_store/state/people/head.json",
    "/_store//etc/passwd", "/_store/", "/_store/x?permit=x", "/%", "/%zz", "/%ff%fe", "/\xff", "/" + "a" * 9000, "/" + "a/" * 4000, "*", "http:///etc/passwd",
    "http://evil.example/api/users", "http://[::1/api/users", "/api/users?%00=%00", "/api/users?" + "a=1&" * 3000, "/api/users#x", "/marketplace.git/../api/users",
    "/marketplace.git/config", "/marketplace.git/objects/../../secrets.json", "/marketplace.git/info/refs?service=git-receive-pack",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_spelling_of_a_path_opens_it(attacked: AttackedInstallation, path: str):
    """Asked by nobody: what needs an admin is refused, and no file of the machine is served."""
    answers = raw(attacked, b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert not answers or int(answers.split(b" ")[1]) in (302, 400, 401, 403, 404, 405, 414, 422, 431), answers[:500]
    assert b"northwind.example" not in answers


NAMES_ANOTHER = (
    {"X-Original-URL": ADMIN_PATH}, {"X-Rewrite-URL": ADMIN_PATH}, {"X-HTTP-Method-Override": "DELETE"}, {"SCRIPT_NAME": "/x"}, {"Script-Name": "/x"},
    {"X-Forwarded-User": "ada@northwind.example"}, {"Remote-User": "ada@northwind.example"}, {"X-Agnes-User": "admin"}, {"Path-Info": ADMIN_PATH},
    {"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1;host=evil.example"}, {"X-Forwarded-Prefix": "/evil"}, {"X-Forwarded-Proto": "javascript"},
    {"Proxy": "http://127.0.0.1:1"}, {"X-Amzn-Oidc-Identity": "ada"}, {"Expect": "200-ok"}, {"Upgrade": "h2c", "Connection": "Upgrade"},
    {"X-Request-Id": "<script>\"'"}, {"X-Agnes-Generation": "people:999999999999999,stack:-1,x:y"}, {"Range": "bytes=0-,0-,0-"}, {"Accept-Encoding": "gzip;q=x"},
    {"If-None-Match": "*" * 4000}, {"Accept-Language": "x" * 4000}, {"Host": "evil.example"}, {"Host": "evil.example:80@x"}, {"X-Forwarded-Host": "evil.example"},
)  # fmt: skip


@pytest.mark.parametrize("headers", NAMES_ANOTHER, ids="-".join)
def test_no_header_makes_somebody_of_nobody(attacked: AttackedInstallation, headers: dict[str, str]):
    answer = attacked.send("GET", ADMIN_PATH, headers=headers)
    assert answer.status_code in (400, 401, 417, 501), answer.text
    page = attacked.send("GET", "/admin/users", headers=headers)
    assert page.status_code in (302, 400, 417, 501)
    for shown in (answer, page):
        assert "evil" not in shown.text + shown.headers.get("location", "")


@pytest.mark.parametrize(
    "target",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/\t/evil.example", "/%09/evil.example",
     "/%2f/evil.example", "https:evil.example", "http:///evil.example", "/x\r\nSet-Cookie: a=b", " //evil.example", "/@evil.example:80//x"],
)  # fmt: skip
def test_signing_in_leads_to_this_site_only(attacked: AttackedInstallation, target: str):
    form = {"email": attacked.mira.email, "password": "wrong", "next": target}
    pages = [
        attacked.send("POST", "/auth/password/login/web", data=form),
        attacked.send("GET", "/login", params={"next": target}),
        attacked.send(
            "GET", "/login", params={"next": target}, headers={"Cookie": f"access_token={attacked.mira.token}"}
        ),
    ]
    for answer in pages:
        to = answer.headers.get("location", "")
        assert "set-cookie: a=b" not in str(answer.headers).lower()
        assert (
            not to
            or (to.startswith("/") and not to.startswith(("//", "/\\", "/\t")))
            or to.startswith(attacked.target.base_url + "/")
        ), to


def test_the_operators_token_is_compared_whole(attacked: AttackedInstallation):
    for token in (OPERATOR_TOKEN[:-1], OPERATOR_TOKEN + "x", OPERATOR_TOKEN.upper(), OPERATOR_TOKEN + "\x80"):
        headers = {b"Authorization": b"Bearer " + token.encode("latin-1")}
        answer = attacked.send("GET", "/api/admin/run", headers=headers)
        assert answer.status_code in (400, 401), json.dumps(answer.json())
