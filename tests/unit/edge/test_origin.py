"""Which writes another site may have caused (docs/decisions/0002-csrf.md)."""

import pytest

from agnes.edge.origin import require_same_origin
from agnes.edge.request import Request
from agnes.kernel.errors import DeniedError


def request(method="POST", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(method, "/x", "/x", {"host": "agnes.test"} | named, {}, {}, "", "", {})


@pytest.mark.parametrize(
    "allowed",
    [
        request("GET", sec_fetch_site="cross-site", origin="https://evil.test"),
        request(sec_fetch_site="same-origin"),
        request(sec_fetch_site="none"),
        request(origin="https://agnes.test"),
        request(origin="https://public.test"),
        request(),
    ],
)
def test_lets_our_own_pages_and_other_clients_write(allowed):
    require_same_origin(allowed, public_host="public.test")


@pytest.mark.parametrize(
    "refused",
    [
        request(sec_fetch_site="cross-site"),
        request(sec_fetch_site="same-site"),
        request(sec_fetch_site="cross-site", origin="https://agnes.test"),
        request(origin="https://evil.test"),
        request(origin="null"),
        request(origin=""),
        request(origin="", host=""),
        request(origin="http://[::1"),
        request(origin="http://[agnes.test]"),
        request(origin="https://agnes.test\udcff"),
        request("DELETE", origin="https://agnes.test.evil.test"),
    ],
)
def test_refuses_what_another_site_caused(refused):
    with pytest.raises(DeniedError, match="another site"):
        require_same_origin(refused, public_host="public.test")
