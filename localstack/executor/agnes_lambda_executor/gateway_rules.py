"""What API Gateway does to a REST API's headers, gateway responses and authorizers, where LocalStack 4.12 does less.

Pure functions over plain data: `gateway.py` puts them into LocalStack, tests call them without it. Source of the table:
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-known-issues.html, read on 2026-11-30, the third
of its columns (`lambda`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

Pairs = list[tuple[str, str]]

REMAPPED = "x-amzn-Remapped-"

FROM_FUNCTION_REMAPPED = frozenset(
    {"authorization", "connection", "content-md5", "date", "max-forwards", "server", "user-agent", "www-authenticate"}
)
"""Of an answer, by their names in lower case. `Date` and `Server` are overwritten besides."""
FROM_FUNCTION_DROPPED = frozenset(
    {"expect", "host", "proxy-authenticate", "te", "trailer", "transfer-encoding", "upgrade", "via"}
)
TO_FUNCTION_DROPPED = frozenset(
    {
        *("connection", "content-md5", "expect", "max-forwards", "proxy-authenticate", "server"),
        *("te", "trailer", "upgrade", "www-authenticate"),
    }
)
TO_FUNCTION_REFUSED = frozenset({"transfer-encoding"})
"""The table says that these end in an exception."""


def answered(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers of a function's answer as a client of the REST API sees them."""
    found = []
    for name, value in headers:
        plain = name.lower()
        if plain in FROM_FUNCTION_REMAPPED:
            found.append((REMAPPED + name, value))
        elif plain not in FROM_FUNCTION_DROPPED:
            found.append((name, value))
    return found


def handed_over(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers of a request as the function sees them. A signature of AWS's own never reaches it."""
    return [
        (name, value)
        for name, value in headers
        if name.lower() not in TO_FUNCTION_DROPPED
        and not (name.lower() == "authorization" and value.startswith("AWS4-HMAC-SHA256"))
    ]


def refused(headers: Iterable[tuple[str, str]]) -> list[str]:
    """Names of headers with which API Gateway does not call a function."""
    return [name for name, _ in headers if name.lower() in TO_FUNCTION_REFUSED]


def gateway_headers(parameters: Mapping[str, str] | None) -> Pairs:
    """The headers that a gateway response's parameters add. Only fixed values, in single quotes, are known here."""
    found = []
    for target, value in (parameters or {}).items():
        place, _, name = target.rpartition(".")
        if place == "gatewayresponse.header" and len(value) >= 2 and value[0] == value[-1] == "'":
            found.append((name, value[1:-1]))
    return found


def gateway_body(template: str, variables: Mapping[str, Any]) -> str:
    """A gateway response's template with its `$context.…` filled in."""

    def value(match: re.Match[str]) -> str:
        found: Any = variables
        for name in match[1].split("."):
            found = found.get(name, "") if isinstance(found, Mapping) else ""
        return str(found)

    return re.sub(r"\$context\.([A-Za-z]+(?:\.[A-Za-z]+)*)", value, template)


def identity(sources: str, headers: Iterable[tuple[str, str]]) -> tuple[str, ...] | None:
    """The values that an authorizer's identity sources name; None if one is missing or empty.

    Names of headers count without their case: with HTTP/2 all of them arrive in lower case, and authorizers work there.
    """
    given = {name.lower(): value for name, value in headers}
    values = []
    for source in filter(None, (part.strip() for part in sources.split(","))):
        place, _, name = source.rpartition(".")
        if place != "method.request.header":
            raise ValueError(f"identity source {source} is not emulated")
        values.append(given.get(name.lower(), ""))
    return tuple(values) if values and all(values) else None


def allows(policy: Mapping[str, Any], method_arn: str) -> bool:
    """Whether the policy that an authorizer answered lets this method be called."""

    def matches(statement: Mapping[str, Any]) -> bool:
        resources = statement["Resource"]
        return any(
            fnmatchcase(method_arn, resource) for resource in ([resources] if isinstance(resources, str) else resources)
        )

    effects = {statement["Effect"] for statement in policy.get("Statement", ()) if matches(statement)}
    return effects == {"Allow"}
