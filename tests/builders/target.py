"""A running installation as its users meet it: an address that speaks HTTP, wherever it runs.

    ada = target.admin()
    mira = target.person("mira", made_by=ada)
    mira.get("/api/marketplace/items", expect=200).json()

Nothing here imports the server's code: what a journey proves, it proves from outside.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.builders.patience import PATIENCE_SECONDS

PASSWORD = "correct horse battery"
GENERATION = "X-Agnes-Generation"
ERROR_FIELDS = {"code", "message", "hint", "request_id"}


@dataclass
class Target:
    """One installation. `stale_seconds`: how long git and the client may still be answered from an older state."""

    base_url: str
    admin_email: str
    operator_token: str
    run_job: Callable[[str], None] = field(repr=False)
    """Run a scheduled job now, by its name."""
    stale_seconds: float = 0.0
    admin_password: str = PASSWORD
    _admin: Visitor | None = field(default=None, repr=False)
    _seen: dict[str, int] = field(default_factory=dict, repr=False)
    _connections: httpx.HTTPTransport = field(default_factory=lambda: httpx.HTTPTransport(trust_env=False), repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connections.close()

    def visitor(self, token: str | None = None) -> Visitor:
        """Somebody with this bearer, or with nothing yet."""
        return Visitor(self, token)

    def operator(self) -> Visitor:
        return self.visitor(self.operator_token)

    def admin(self) -> Visitor:
        """The seeded admin, who signs in once."""
        if self._admin is None:
            self._admin = self.sign_in(self.admin_email, self.admin_password)
        return self._admin

    def sign_in(self, email: str, password: str = PASSWORD) -> Visitor:
        answer = self.visitor().post("/auth/token", json={"email": email, "password": password}).json()
        return Visitor(self, answer["access_token"], email=answer["email"], id=answer["user_id"])

    def person(self, name: str, *, made_by: Visitor) -> Visitor:
        """An account of its own for this test, signed in."""
        email = f"{name}.{secrets.token_hex(4)}@northwind.example"
        made = made_by.post("/api/users", json={"email": email}, expect=201).json()
        made_by.post(f"/api/users/{made['id']}/set-password", json={"password": PASSWORD}, expect=200)
        return self.sign_in(email)

    def settle(self) -> None:
        """Wait until those who carry no generation see what was just written, too."""
        time.sleep(self.stale_seconds)

    def process_usage(self) -> dict[str, Any]:
        """Trigger the extraction as an operator does, after the scheduler's if that is running; the run's report."""
        url, deadline = "/api/admin/run-session-processor?processor=usage", time.monotonic() + PATIENCE_SECONDS
        while (given := self.operator().post(url, expect=(200, 409))).status_code == 409:
            assert time.monotonic() < deadline, given.text
            time.sleep(0.2)
        answer = given.json()
        assert answer["ok"] is True, answer
        # A run of the schedule may have done the work a moment before: its generation came with no answer of ours.
        self.settle()
        return answer["details"]


class Visitor:
    """One person's HTTP: a bearer if they have one, cookies as a browser keeps them.

    Every answer is checked at once, against `expect` or for success. What anybody of this target wrote is seen by
    everybody's next read, by the header that clients carry.
    """

    def __init__(self, target: Target, token: str | None, *, email: str = "", id: str = "") -> None:
        self.target = target
        self.token = token
        self.email = email
        self.id = id
        self.http = httpx.Client(base_url=target.base_url, timeout=PATIENCE_SECONDS, transport=target._connections)

    def call(self, method: str, path: str, *, expect: int | tuple[int, ...] = (), **given: Any) -> httpx.Response:
        headers = dict(given.pop("headers", {}))
        if self.token:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        seen = self.target._seen
        if seen:
            headers.setdefault(GENERATION, ",".join(f"{file}:{number}" for file, number in seen.items()))
        answer = self.http.request(method, path, headers=headers, **given)
        for item in filter(None, answer.headers.get(GENERATION, "").split(",")):
            file, _, number = item.partition(":")
            seen[file] = max(seen.get(file, 0), int(number))
        expected = (expect,) if isinstance(expect, int) else expect
        fits = answer.status_code in expected if expected else answer.is_success
        assert fits, f"{method} {path} was answered {answer.status_code}, not {expect or '2xx'}: {answer.text[:2000]}"
        return answer

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.call("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.call("POST", path, **given)

    def delete(self, path: str, **given: Any) -> httpx.Response:
        return self.call("DELETE", path, **given)

    def refused(self, method: str, path: str, status: int, **given: Any) -> str:
        """The code of a refusal, which has the one shape of errors."""
        answer = self.call(method, path, expect=status, **given).json()
        assert answer.keys() == ERROR_FIELDS, answer
        return answer["code"]

    def make_token(self, name: str = "laptop") -> dict[str, Any]:
        """A personal access token, as the one answer that shows it."""
        return self.post("/auth/tokens", json={"name": name}, expect=201).json()

    def items(self, **query: Any) -> dict[str, dict[str, Any]]:
        """The curated listing by plugin name."""
        return {item["name"]: item for item in self.get("/api/marketplace/items", params=query).json()["items"]}
