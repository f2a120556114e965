"""A process over a copy of what an installation stored, to which writes are sent and whose queues and schedules are run."""

from __future__ import annotations

import importlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from agnes.kernel.clock import FixedClock
from agnes.kernel.ports import Message
from agnes.outside.object_store.memory import MemoryStore
from tests.builders.house import START, Answer, House

FILES = ("people", "marketplace", "stack", "flea", "telemetry", "collector", "tables")
JOBS = (
    "accounts.prune", "marketplace.prune", "feed.prune", "feed.sweep", "ops.prepare", "ops.prune_state", "audit.archive", "audit.verify",
    "telemetry.collect", "telemetry.extract", "telemetry.prune", "telemetry.sweep", "marketplace.sync", "accounts.first_start",
    "tables.collect", "tables.sweep",
)  # fmt: skip
QUEUES = {
    "marketplace-sync": "marketplace.queue_sync",
    "telemetry-extract": "telemetry.queue_extract",
    "telemetry-export": "telemetry.queue_export",
    "accounts-mail": "accounts.queue_mail",
    "tables-collect": "tables.queue_collect",
}


class Sent(list[Message]):
    """The port of queues, as a list."""

    def send(self, messages: Iterable[Message]) -> None:
        self.extend(messages)

    def again(self, record: Mapping[str, Any]) -> None:
        """A delivery that failed stays, since `Installation.consume` removes what succeeded only."""


@dataclass(frozen=True)
class Write:
    method: str
    route: str
    """As its function declares it."""
    path: str
    body: Any = None
    """JSON, or the fields of a form where the route is a page."""
    who: str = "ada"
    raw: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_valid: bool = True

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Installation:
    """What a store held after everything was used; `opened` starts a process over a copy of it."""

    held: dict[str, Any]
    tokens: dict[str, str]
    writes: list[Write]
    data: Path
    environ: dict[str, str]

    def opened(self, folder: Path) -> Process:
        clock = FixedClock(START)
        store = MemoryStore(clock=clock)
        store._held = dict(self.held)
        shutil.copytree(self.data, folder / "data")  # its signing keys
        return Process(House(folder, environ=self.environ, clock=clock, store=store, queue=Sent()), self)


@dataclass
class Process:
    house: House
    installation: Installation

    def send(self, write: Write) -> Answer:
        token = self.installation.tokens[write.who] if write.who else ""
        is_page = not write.path.startswith(("/api/", "/auth/", "/marketplace.")) or write.route in PAGES_OF_ACCOUNTS
        given: dict[str, Any] = {"cookie": f"access_token={token}"} if is_page and token else {"token": token}
        if write.raw:
            given["body"] = write.raw
        elif write.body is not None:
            given["form" if is_page else "json_body"] = write.body
        return self.house.call(write.method, write.path, headers=dict(write.headers), **given)

    def run(self, job: str) -> dict[str, Any]:
        """The heartbeat of a run that was asked for, read from the store."""
        module = importlib.import_module(f"functions.{JOB_FUNCTIONS[job]}.app")
        try:
            return module.app.pure_lambda_functions[0].func({}, None)
        except Exception as exc:  # raised on, so that the schedule repeats it
            return {"ok": False, "error": str(exc), "kind": type(exc).__name__}

    def consume(self) -> list[str]:
        """Give what waits to the consumers of the queues; the messages that failed, which go on waiting."""
        queue = self.house.wiring.queue
        waiting, failed = list(queue), []
        queue.clear()
        for message in waiting:
            module = importlib.import_module(f"functions.{QUEUES[message.queue]}.app")
            record = {"messageId": uuid4().hex, "body": json.dumps(message.body)}
            if module.app.pure_lambda_functions[0].func({"Records": [record]}, None)["batchItemFailures"]:
                failed.append(message.queue)
                queue.append(message)
        return failed

    def done(self) -> Counter[str]:
        """What was acknowledged: lines of the audit that say so, and rows of every table."""
        found: Counter[str] = Counter()
        with self.house.state.read(*FILES) as db:
            for file in FILES:
                rows = db.execute(
                    f"SELECT action, count(*) FROM {file}.audit WHERE result IN ('ok', 'success') GROUP BY 1"
                )
                found.update({f"{file}: {action}": count for action, count in rows.fetchall()})
                tables = db.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [file]).fetchall()
                for (table,) in tables:
                    [count] = db.execute(f'SELECT count(*) FROM {file}."{table}"').fetchone()
                    found[f"{file}.{table}"] = count
        for prefix in ("sessions/", "tombstones/"):
            found[prefix] = len(list(self.house.store.list(prefix)))
        return found


PAGES_OF_ACCOUNTS = frozenset(
    {
        "/auth/logout", "/auth/email/verify", "/auth/password/reset", "/auth/password/set", "/auth/password/login/web",
    }
)  # fmt: skip
JOB_FUNCTIONS = {
    **{job: job.replace(".", ".cron_") for job in JOBS},
    "telemetry.extract": "telemetry.cron_extract_usage",
    "telemetry.prune": "telemetry.cron_prune_usage",
}
