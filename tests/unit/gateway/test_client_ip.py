"""Whose address counts behind reverse proxies."""

from __future__ import annotations

import pytest

from agnes import settings, wiring
from agnes_local import events

ONE = {"AGNES_TRUSTED_PROXIES": "127.0.0.1/32, 10.0.0.0/8,::1/128"}
TWO = ONE | {"AGNES_TRUSTED_PROXY_COUNT": "2"}


@pytest.mark.parametrize(
    ("environ", "peer", "forwarded", "client"),
    [
        pytest.param({}, "127.0.0.1", "192.0.2.9", "127.0.0.1", id="nobody-is-trusted"),
        pytest.param(ONE, "127.0.0.1", None, "127.0.0.1", id="no-header"),
        pytest.param(ONE, "127.0.0.1", "192.0.2.9", "192.0.2.9", id="one"),
        pytest.param(ONE, "198.51.100.1", "192.0.2.9", "198.51.100.1", id="peer-not-trusted"),
        pytest.param(ONE, "127.0.0.1", "203.0.113.5, 192.0.2.9", "192.0.2.9", id="invented-beginning"),
        pytest.param(ONE, "127.0.0.1", "203.0.113.5, 10.1.1.1", "10.1.1.1", id="only-one-proxy"),
        pytest.param(TWO, "127.0.0.1", "203.0.113.5, 192.0.2.9, 10.1.1.1", "192.0.2.9", id="two"),
        pytest.param(TWO, "127.0.0.1", "203.0.113.5, 192.0.2.9", "192.0.2.9", id="second-is-the-client"),
        pytest.param(ONE, "127.0.0.1", "nonsense", "127.0.0.1", id="nonsense"),
        pytest.param(ONE, "127.0.0.1", "", "127.0.0.1", id="empty"),
        pytest.param(ONE, "127.0.0.1", "192.0.2.9:4711", "192.0.2.9", id="port"),
        pytest.param(ONE, "::1", "[2001:db8::7]:4711", "2001:db8::7", id="ipv6"),
        pytest.param(ONE, "::ffff:127.0.0.1", "192.0.2.9", "192.0.2.9", id="mapped-peer"),
    ],
)
def test_the_client_is_whom_trusted_proxies_name(environ, peer, forwarded, client):
    asked = {"REMOTE_ADDR": peer} | ({} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded})
    with wiring.using(wiring.Wiring(settings.load(environ))):
        assert events.client_ip(asked) == client


def test_a_network_that_is_none_stops_the_start():
    with pytest.raises(settings.SettingsError, match="AGNES_TRUSTED_PROXIES"):
        settings.load({"AGNES_TRUSTED_PROXIES": "127.0.0.1/99"})
