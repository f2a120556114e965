"""Files of foreign web servers: judged at every hop, bounded in size and time."""

from __future__ import annotations

import socket
import time

import pytest

from agnes.kernel.errors import AgnesError
from agnes.kernel.web import Validators, WebFailed, WebRefused, WebTooLarge, WebUnreachable
from agnes.outside.web import SafeWeb
from tests.builders.web_server import WebServer

LOOPBACK = SafeWeb(allow=frozenset({"private"}))


@pytest.fixture
def web():
    with WebServer() as server:
        yield server


def get(url: str, reader: SafeWeb = LOOPBACK, **given):
    return reader.fetch(url, **{"seconds": 10, "max_bytes": 1000, **given})


def refusal(url: str, reader: SafeWeb = LOOPBACK, **given) -> AgnesError:
    with pytest.raises(AgnesError) as caught:
        get(url, reader, **given)
    return caught.value


def test_a_file_with_what_its_server_says_of_it(web):
    web.put("/a%20b.txt?x=1", b"hello", "Text/Plain; charset=utf-8", etag='"1"')
    web.redirect("/from", "/a b.txt?x=1")
    file = get(web.url("/from"))
    assert (file.body, file.content_type, file.validators) == (b"hello", "text/plain", Validators('"1"'))
    assert file.url == web.url("/a b.txt?x=1")
    assert get(web.url("/a b.txt?x=1"), known=file.validators) is None
    assert {headers["accept-encoding"] for _, headers in web.asked} == {"identity"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, WebFailed), (410, WebFailed), (401, WebFailed), (429, WebUnreachable), (503, WebUnreachable), (304, WebFailed)],
)  # fmt: skip
def test_what_may_pass_is_told_from_what_will_not(web, status, kind):
    web.fail("/x", status)
    error = refusal(web.url("/x"))
    assert (type(error), error.message) == (kind, f"the server answered {status}")


def test_too_much_is_cut_off_declared_or_not(web):
    web.put("/declared", bytes(1001), "text/plain")
    assert isinstance(refusal(web.url("/declared")), WebTooLarge)
    assert get(web.url("/declared"), max_bytes=1001).body == bytes(1001)

    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(10_000))

    web.answers["/endless"] = endless
    assert refusal(web.url("/endless")).message == "larger than 1000 bytes"


def test_an_answer_that_was_cut_or_encoded_is_none(web):
    web.answers["/cut"] = lambda handler: handler.say(200, b"half", {"Content-Length": "8"})
    assert isinstance(refusal(web.url("/cut")), WebUnreachable)
    web.answers["/zipped"] = lambda handler: handler.say(200, b"x", {"Content-Encoding": "gzip"})
    assert refusal(web.url("/zipped")).message == "the server sends it encoded although that was not asked for"


def test_a_server_that_hangs_or_drips_is_left_when_the_time_is_up(web):
    def drip(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b".")
            time.sleep(0.02)

    web.answers["/drip"] = drip
    assert refusal(web.url("/drip"), seconds=0.3).message == "the server took longer than 0.3 seconds"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/x"
        assert isinstance(refusal(url, seconds=0.3), WebUnreachable)


def test_five_redirects_and_no_more(web):
    for n in range(6):
        web.redirect(f"/{n}", f"/{n + 1}")
    web.put("/6", b"there", "text/plain")
    assert get(web.url("/1")).body == b"there"
    assert refusal(web.url("/0")).message == "the server redirects more than 5 times"


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("file:///etc/passwd", "file URLs are not fetched"),
        ("ftp://files.example/x", "ftp URLs are not fetched"),
        ("http://user:pw@files.example/x", "the URL names no host, or holds credentials"),
        ("http://files.example:bad/x", "this is not a URL"),
    ],
)
def test_a_redirect_is_judged_as_any_url(web, to, message):
    web.redirect("/x", to)
    assert refusal(web.url("/x")).message == message


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "224.0.0.1", "240.0.0.1", "::1", "fe80::1", "fd00::1", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_every_hop_is_resolved_and_refused_if_any_address_is_private(web, address):
    """The first hop is public and led to the test's server; what it redirects to is not."""

    def resolve(host: str, port: int, **_: object) -> list[tuple]:
        found = {"public.example": ["203.0.114.7"], "inside.example": ["203.0.114.8", address]}[host]
        return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, port)) for a in found]

    dialled: list[str] = []

    def dial(addresses: list[tuple], *, seconds: float) -> socket.socket:
        dialled.extend(a[0] for _, a in addresses)
        return socket.create_connection(("127.0.0.1", int(web.url().rpartition(":")[2])), seconds)

    web.redirect("/x", "http://inside.example/secret")
    error = refusal("http://public.example/x", SafeWeb(resolve=resolve, dial=dial))
    assert isinstance(error, WebRefused)
    assert error.message == f"the host inside.example has the private address {address}"
    assert dialled == ["203.0.114.7"]
    assert [headers["host"] for _, headers in web.asked] == ["public.example"]
