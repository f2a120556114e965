"""WSGI requests as API Gateway's proxy events (REST API, payload 1.0), and a function's answer back again."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from agnes import wiring
from agnes.kernel.ids import new_ulid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Context:
    """What Lambda hands to a function beside the event, as far as functions use it."""

    __slots__ = ("_deadline", "aws_request_id", "function_name")

    def __init__(self, function_name: str, request_id: str, seconds: float) -> None:
        self.function_name = function_name
        self.aws_request_id = request_id
        self._deadline = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._deadline - time.monotonic()) * 1000))


_HEADERS: dict[str, str] = {"CONTENT_TYPE": "Content-Type", "CONTENT_LENGTH": "Content-Length"}


def headers(environ: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in environ.items():
        if name.startswith("HTTP_"):
            header = _HEADERS.get(name)
            if header is None:
                header = name[5:].replace("_", "-").title()
                if len(_HEADERS) < 512:  # what clients send is few; what attackers send is not kept
                    _HEADERS[name] = header
            found[header] = value
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := environ.get(name):
            found[_HEADERS[name]] = value
    return found


def proxy_event(
    environ: Mapping[str, Any],
    *,
    method: str,
    raw_path: str,
    resource: str,
    path_params: dict[str, str],
    body: bytes,
) -> dict[str, Any]:
    """The event. `path_params` are as in the URL, still encoded; the body is always base64, as the API's
    binary media types are `*/*`."""
    sent = headers(environ)
    query = environ.get("QUERY_STRING")
    multi = parse_qs(query, keep_blank_values=True) if query else None
    return {
        "resource": resource,
        "path": raw_path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": {name: values[-1] for name, values in multi.items()} if multi else None,
        "multiValueQueryStringParameters": multi,
        "pathParameters": path_params or None,
        "stageVariables": None,
        "requestContext": {
            "resourcePath": resource,
            "httpMethod": method,
            "path": raw_path,
            "stage": "local",
            "protocol": environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "requestId": new_ulid(),
            "identity": {"sourceIp": client_ip(environ), "userAgent": sent.get("User-Agent", "")},
        },
        "body": binascii.b2a_base64(body, newline=False).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def client_ip(environ: Mapping[str, Any]) -> str:
    """Who sent a request: the peer, or whom trusted proxies name in X-Forwarded-For, at most as many as are told.

    The header is read from its end, where the nearest proxy writes, as its beginning is the client's to invent.
    """
    peer: str = environ.get("REMOTE_ADDR", "")
    forwarded = environ.get("HTTP_X_FORWARDED_FOR")
    if not forwarded:
        return peer
    settings = wiring.settings()
    named = forwarded.split(",")
    for _ in range(settings.agnes_trusted_proxy_count):
        found = _address(named.pop()) if named and _is_trusted(peer, settings.agnes_trusted_proxies) else None
        if found is None:
            break
        peer = found
    return peer


def _is_trusted(address: str, networks: frozenset[Network]) -> bool:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks)


def _address(text: str) -> str | None:
    """`192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1` or `[2001:db8::1]:4711`; None for anything else."""
    text = text.strip()
    host = text[1:].partition("]")[0] if text.startswith("[") else text
    host = host.partition(":")[0] if host.count(":") == 1 else host
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def answer(returned: Mapping[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body of what a function returned."""
    body = returned.get("body") or ""
    content = base64.b64decode(body) if returned.get("isBase64Encoded") else body.encode()
    multi = returned.get("multiValueHeaders") or {}
    found = [(name, value) for name, values in multi.items() for value in values]
    found += [(name, str(value)) for name, value in (returned.get("headers") or {}).items() if name not in multi]
    return returned["statusCode"], found, content
