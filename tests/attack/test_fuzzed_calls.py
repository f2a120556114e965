"""Calls that nobody would make, at every route: no unhandled error, one shape of errors, nothing of the inside, no huge answer.

What is sent is drawn from the API's own description (`/api/openapi.json`) and from the models of the pages' forms: values that fit,
values that nearly fit, and a corpus of hostile ones. One seed a run is printed where it fails; `AGNES_ATTACK_SEED` repeats it.
"""

from __future__ import annotations

import os
import secrets
import time
from random import Random
from typing import Any
from urllib.parse import quote

import pydantic

from agnes.edge.origin import SAFE_METHODS
from infra.discovery import Route
from tests.attack.installation import AttackedInstallation, routes
from tests.attack.test_authorisation import END_THEIR_CALLER

SECONDS = 45.0
"""Of drawing; every route is called at least LEAST times however long that takes."""
LEAST = 2
MAX_QUERY_VALUE = 4000
"""Characters; the client sends no longer query than 64 kB."""
STRINGS = (
    "", " ", "\x00", "a\x00b", "\r\nX-Injected: 1", "../../../etc/passwd", "..%2f..%2f", "%00", "\ud7ff\ue000\uffff", "\u202e\u2066x",
    "<script>alert(1)</script>", '" onload="x', "{{7*7}}", "${jndi:ldap://127.0.0.1/x}", "' OR '1'='1", "'; DROP TABLE people.users; --",
    "A" * 70_000, "\U0001f4a5" * 300, "NaN", "1e400", "-1", "9" * 400, "0x10", "true", "null", "[]", "2026-02-30", "0001-01-01",
    "9999-12-31", "2026-11-30T25:61:61Z", "2026-11-30T09:00:00+99:99", "file:///etc/passwd", "http://[::1", "http://169.254.169.254/",
    "%", "%zz", "_%", "a" * 255 + ".jsonl", "CON", "COM\u00b9", ".", "..", "/", "\\", "~", "|id", "$(id)", "`id`", "(?:a+)+$", "*" * 5000,
    "01J00000000000000000000000", "00000000-0000-0000-0000-000000000000", "\udcff".encode("utf-8", "surrogatepass").decode("latin-1"),
)  # fmt: skip
NUMBERS = (0, -1, 1, 2**31, 2**53, 2**63, -(2**63) - 1, 10**400, 0.1, 1e308, -0.0, True)
BODIES = (
    b"", b"{", b"[]", b"null", b"\xff\xfe", b'"x"', b"{}" * 3, b"[" * 100_000, b'{"a":' * 20_000, b'{"a":1,"a":2}', b"0" * 100_000,
    b'{"\\ud800": 1}', b"-----", b"1e999", b"NaN", b"\xef\xbb\xbf{}",
)  # fmt: skip
KINDS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "multipart/form-data", "text/xml", "x", "",
         "application/json; charset=utf-16", "application/zip", "multipart/form-data; boundary=" + "y" * 3000)  # fmt: skip


def drawn(rng: Random, schema: dict[str, Any], definitions: dict[str, Any], depth: int = 0) -> Any:
    """A value that fits the schema, or one that does not."""
    if rng.random() < 0.2 or depth > 6:
        return odd(rng)
    if "$ref" in schema:
        schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return drawn(rng, rng.choice(schema[several]), definitions, depth + 1)
    if "enum" in schema:
        return rng.choice([*schema["enum"], odd(rng)])
    match schema.get("type"):
        case "object":
            made = {
                name: drawn(rng, inner, definitions, depth + 1)
                for name, inner in schema.get("properties", {}).items()
                if name in schema.get("required", ()) or rng.random() < 0.6
            }
            return made | ({rng.choice(STRINGS)[:50]: odd(rng)} if rng.random() < 0.15 else {})
        case "array":
            count = rng.choice([0, 1, 2, 500 if depth < 2 else 3])
            return [drawn(rng, schema.get("items", {}), definitions, depth + 1) for _ in range(count)]
        case "integer" | "number":
            low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
            return rng.choice([low, low + 1, low - 1, schema.get("maximum", 100), *NUMBERS])
        case "boolean":
            return rng.choice([True, False, "yes", 2])
        case "null":
            return None
    return rng.choice([rng.choice(STRINGS), secrets_of(rng), str(rng.randrange(1000))])


def odd(rng: Random) -> Any:
    return rng.choice(
        [None, rng.choice(STRINGS), rng.choice(NUMBERS), [], {}, [[[]]], {"a": {"b": [rng.choice(STRINGS)]}}]
    )


def secrets_of(rng: Random) -> str:
    """A word as ids and names have them."""
    return "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789-_", k=rng.randrange(1, 40)))


def one_call(rng: Random, installation: AttackedInstallation, route: Route) -> None:
    path = route.path
    for part in [part for part in path.split("/") if part.startswith("{")]:
        known = installation.things[rng.choice(list(installation.things))].values.get(part[1:-1], "x")
        # What is there is asked for, and not changed: other attacks need it.
        value = known if route.method in SAFE_METHODS and rng.random() < 0.6 else rng.choice(STRINGS)[:500]
        path = path.replace(part, quote(value, safe="") or "%20")
    given: dict[str, Any] = {"headers": {}}
    if query := route.contract.query:
        schema = query.model_json_schema()
        fields = {name: drawn(rng, inner, schema.get("$defs", {})) for name, inner in schema["properties"].items()}
        given["params"] = {name: str(value)[:MAX_QUERY_VALUE] for name, value in fields.items() if rng.random() < 0.5}
    if rng.random() < 0.2:
        given["params"] = {**given.get("params", {}), rng.choice(STRINGS)[:50] or "x": rng.choice(STRINGS)[:3000]}
    if route.method not in SAFE_METHODS:
        given |= body_of(rng, route)
    caller = installation.callers[
        rng.choice(["an admin", "an admin", "an admin", "an analyst", "nobody", "the operator"])
    ]
    installation.call(route, caller, path, **given)


def body_of(rng: Random, route: Route) -> dict[str, Any]:
    kind = rng.choice(KINDS)
    if rng.random() < 0.25:
        return {"content": rng.choice(BODIES), "headers": {"Content-Type": kind}}
    model = route.contract.body
    if model is None:
        return {"json": odd(rng)}
    schema = pydantic.TypeAdapter(model).json_schema()
    value = drawn(rng, schema, schema.get("$defs", {}))
    if route.contract.kind == "page" and isinstance(value, dict):
        return {"data": {str(name): str(each) for name, each in value.items()}}
    return {"json": without_infinity(value)}


def without_infinity(value: Any) -> Any:
    """Text that JSON can carry: httpx encodes it as UTF-8."""
    if isinstance(value, dict):
        return {str(name).encode("utf-8", "replace").decode(): without_infinity(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_infinity(each) for each in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def test_fuzzed_calls(attacked: AttackedInstallation, record_property):
    seed = int(os.environ.get("AGNES_ATTACK_SEED") or secrets.randbits(32))
    rng, began, calls = Random(seed), time.monotonic(), 0
    aimed = [route for route in routes() if route.path not in END_THEIR_CALLER]
    while calls < LEAST * len(aimed) or time.monotonic() - began < SECONDS:
        route = aimed[calls % len(aimed)]
        try:
            one_call(rng, attacked, route)
        except BaseException as error:
            error.add_note(f"AGNES_ATTACK_SEED={seed} repeats it: {route.method} {route.path}, call {calls}")
            raise
        calls += 1
    record_property("fuzzed calls", calls)
    assert attacked.target.visitor(attacked.callers["an admin"].token).get("/api/me").json()["email"]


def test_the_description_has_every_route_that_is_no_page(attacked: AttackedInstallation):
    described = attacked.mira.get("/api/openapi.json").json()["paths"]
    missing = [
        f"{route.method} {route.path}"
        for route in routes()
        if route.contract.kind == "endpoint" and route.method.lower() not in described.get(route.path, {})
    ]
    assert missing == []
