"""Identity providers over HTTPS (`agnes.outside.egress`)."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
from collections.abc import Mapping
from contextlib import closing
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderBlocked, ProviderRefused, ProviderUnreachable
from agnes.outside.egress import PORTS, Alarm, Dial, Egress, EgressError, Origin, PrivateAddress, Resolve, dial

SECONDS = 10.0
"""A person waits for the answer."""
MAX_BYTES = 1_000_000
_ERROR_CODE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""RFC 6749 has `invalid_grant` and the like; nothing else of an answer is quoted."""


class SafeProviderWeb:
    """A `ProviderWeb`. `allow` may hold `http` and `private`."""

    def __init__(
        self,
        *,
        allow: frozenset[str] = frozenset(),
        resolve: Resolve = socket.getaddrinfo,
        dial: Dial = dial,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._allow = allow
        self._egress = Egress(allow_private="private" in allow, resolve=resolve, dial=dial, tls=tls)

    def get(self, url: str, *, bearer: Secret | None = None) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {bearer.value}"} if bearer else {}
        return self._ask("GET", url, None, headers)

    def post_form(
        self, url: str, fields: Mapping[str, str], *, basic: tuple[str, Secret] | None = None
    ) -> dict[str, Any]:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if basic is not None:  # RFC 6749, 2.3.1: both are form-encoded first
            user, password = quote_plus(basic[0]), quote_plus(basic[1].value)
            headers["Authorization"] = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        return self._ask("POST", url, urlencode(fields).encode(), headers)

    def _ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> dict[str, Any]:
        origin, target = self._parts(url)
        host = origin.host
        asked = {"User-Agent": "agnes", "Accept": "application/json", "Accept-Encoding": "identity", **headers}
        asked["Connection"] = "close"
        try:
            with (
                Alarm(SECONDS) as alarm,
                closing(
                    self._egress.ask(origin, target, alarm, method=method, headers=asked, body=body, seconds=SECONDS)
                ) as answer,
            ):
                received = b""
                while len(received) <= MAX_BYTES and (part := answer.read1(65_536)):
                    received += part
                alarm.check()
                return _json(host, answer.status, received)
        except PrivateAddress as exc:
            raise ProviderBlocked(
                f"the identity provider {host} is at a private address",
                hint="Set AGNES_OUTBOUND_ALLOW=private if it should be.",
            ) from exc
        except EgressError as exc:
            raise ProviderUnreachable(
                f"the identity provider {host} did not answer ({exc.message})", hint="Try again in a moment."
            ) from exc

    def _parts(self, url: str) -> tuple[Origin, str]:
        """Where a URL leads, and its request target. Raises ProviderBlocked."""
        try:
            parts = urlsplit(url)
            scheme, host, port = parts.scheme.lower(), (parts.hostname or "").lower(), parts.port
        except ValueError:
            scheme, host, port, parts = "", "", None, urlsplit("")
        if not (scheme == "https" or (scheme == "http" and "http" in self._allow)) or not host or parts.username:
            raise ProviderBlocked(
                "an address of the identity provider is no https URL",
                hint="Set AGNES_OUTBOUND_ALLOW=http only to try things out.",
            )
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Origin(scheme, host, port or PORTS[scheme]), target


def _json(host: str, status: int, body: bytes) -> dict[str, Any]:
    if status >= 500 or status == 429:
        raise ProviderUnreachable(f"the identity provider {host} answered {status}", hint="Try again in a moment.")
    if len(body) > MAX_BYTES:
        raise ProviderRefused(f"the identity provider {host} answered more than {MAX_BYTES} bytes")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == 200 and isinstance(answer, dict):
        return answer
    code = answer.get("error") if isinstance(answer, dict) else None
    told = f" {code}" if isinstance(code, str) and _ERROR_CODE.fullmatch(code) else ""
    raise ProviderRefused(f"the identity provider {host} answered {status}{told}")
