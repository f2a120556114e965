"""Every function in an environment of its own, over one store that is as slow as S3; each call is measured."""

from __future__ import annotations

import gzip
import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from agnes.hosting.bill import Work
from agnes.kernel.clock import FixedClock
from agnes.kernel.metering import NAMES, Calls, measured, unattributed
from agnes.kernel.ports import Secret
from agnes.outside.metered import MeteredQueue, MeteredSecrets, MeteredStore
from agnes.outside.object_store.memory import MemoryStore
from infra.compose import Composition, compose
from tests.builders.house import START, Answer, House, routes
from tests.builders.slow_store import GET_SECONDS, PUT_SECONDS, SlowStore

FULL_CORE_MB = 1769
"""Memory at which Lambda gives a function one whole core; less memory is less of it
(docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html)."""
COMPRESSED_FROM_BYTES = 1024
TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")


STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "taskName"}
"""Of a record, what is not `extra`: Lambda's runtime writes the rest."""


class KeptSecrets:
    def __init__(self) -> None:
        self._kept: dict[str, Secret] = {"signing": Secret("s" * 64)}

    def get(self, name: str) -> Secret | None:
        return self._kept.get(name)

    def put(self, name: str, secret: Secret) -> None:
        self._kept[name] = secret

    def add(self, name: str, secret: Secret) -> Secret:
        return self._kept.setdefault(name, secret)

    def remove(self, name: str) -> None:
        self._kept.pop(name, None)


class NoQueue:
    """Takes messages and delivers none: what their consumers do is measured by itself."""

    def send(self, messages: Any) -> None:
        list(messages)

    def again(self, record: Any) -> None: ...


class LogBytes(logging.Handler):
    """How much is logged, as Lambda writes a line in JSON."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.total = 0

    def emit(self, record: logging.LogRecord) -> None:
        line = {
            "timestamp": "2026-11-30T09:00:00Z",
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": "8286a188-ba32-4475-8077-530cd35c09a9",
            **{name: value for name, value in vars(record).items() if name not in STANDARD},
        }
        if record.exc_info:
            line["stackTrace"] = logging.Formatter().formatException(record.exc_info)
        self.total += len(json.dumps(line, default=str)) + 26  # CloudWatch counts 26 bytes more for each event


@dataclass
class Fleet:
    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(START))
    get_seconds: float = GET_SECONDS
    put_seconds: float = PUT_SECONDS

    def __post_init__(self) -> None:
        self.memory = MemoryStore(clock=self.clock)
        self.secrets = KeptSecrets()
        self.composition: Composition = compose()
        self._environments: dict[str, House] = {}
        self._logged = LogBytes()
        self.walls: list[float] = []
        """Milliseconds that each call took here, in the order of the calls."""
        logging.getLogger().addHandler(self._logged)
        self._level = logging.getLogger("agnes").level
        logging.getLogger("agnes").setLevel(logging.INFO)  # LogLevel, if nobody says another

    @contextmanager
    def setting_up(self) -> Iterator[House]:
        """An installation over the same store that is neither slow nor counted, to put things into it."""
        with House(self.folder / "set-up", store=self.memory, clock=self.clock, secrets=self.secrets) as house:
            yield house
            house.state.close()

    def slow(self) -> SlowStore:
        return SlowStore(self.memory, get_seconds=self.get_seconds, put_seconds=self.put_seconds)

    def environment(self, function: str) -> House:
        """The function's own: its state cache, its copies of state files."""
        found = self._environments.get(function)
        if found is None:
            found = self._environments[function] = House(
                self.folder / function,
                store=MeteredStore(self.slow()),
                clock=self.clock,
                secrets=MeteredSecrets(self.secrets),
                queue=MeteredQueue(NoQueue()),
                environ={"AGNES_STORE": "s3", "AGNES_BUCKET": "counted", "AGNES_JOBS": "lambda"},
            )
        return found

    def forget(self, function: str) -> None:
        """Its environment ends; the next call finds a new one."""
        if found := self._environments.pop(function, None):
            found.state.close()

    def close(self) -> None:
        logging.getLogger().removeHandler(self._logged)
        logging.getLogger("agnes").setLevel(self._level)
        for function in list(self._environments):
            self.forget(function)

    def request(self, method: str, path: str, *, check: Callable[[Answer], Any] | None = None, **given: Any) -> Work:
        """One request through its function; raises AssertionError for an answer that `check` refuses, or of 400 and more."""
        (app, _route), _ = routes().bind("agnes.test").match(path.partition("?")[0], method)
        headers = {"Accept-Encoding": "gzip", **given.pop("headers", {})}
        function = app.app_name
        answers: list[Answer] = []
        house = self.environment(function)
        with house:
            work = self._measured(function, lambda: answers.append(house.call(method, path, headers=headers, **given)))
        answer = answers[0]
        assert answer.status < 400, f"{method} {path}: {answer.status} {answer.text[:300]}"
        if check:
            check(answer)
        work.api_requests = 1
        work.bytes_out = sent_bytes(answer)
        return work

    def job(self, function: str) -> Work:
        """One run of a scheduled function. Raises AssertionError if it fails."""
        (found,) = [f for f in self.composition.functions if f.name == function]
        house = self.environment(function)
        reports: list[dict] = []
        handler = found.app.pure_lambda_functions[0].func
        with house:
            work = self._measured(function, lambda: reports.append(handler({}, None)))
        assert reports[0]["ok"], reports
        work.scheduled = 1
        return work

    def warm(self, function: str, event: dict[str, Any]) -> Work:
        """The call that keeps a function warm. Raises AssertionError if it could not open what it reads."""
        (found,) = [f for f in self.composition.functions if f.name == function]
        answers: list[dict] = []
        with self.environment(function):
            work = self._measured(function, lambda: answers.append(found.app(event, None)))
        assert answers == [{"warm": True}]
        work.scheduled = 1
        return work

    def _measured(self, function: str, call: Callable[[], Any]) -> Work:
        entry = self.composition.entries[tuple(function.split("-", 1))]
        logged, stray = self._logged.total, Calls()
        stray.add(unattributed)
        with measured() as calls:
            began, cpu = time.perf_counter(), time.process_time()
            call()
            wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        self.walls.append(wall * 1000)
        for name in NAMES:
            assert getattr(unattributed, name) == getattr(stray, name), "calls that no request was counted for"
        # A function with less memory has less of a core: its own work takes longer, its waiting does not.
        slower = max(0.0, FULL_CORE_MB / entry.memory_mb - 1)
        return Work(
            memory_mb=entry.memory_mb,
            runs=1,
            billed_ms=(wall + cpu * slower) * 1000,
            calls=calls,
            log_bytes=self._logged.total - logged,
        )


def sent_bytes(answer: Answer) -> int:
    """Of an answer on the wire: its headers, and its body as the gateway compresses it."""
    kind, body = answer.headers.get("content-type", ""), answer.body
    if len(body) >= COMPRESSED_FROM_BYTES and kind.startswith(TEXT) and "content-encoding" not in answer.headers:
        body = gzip.compress(body, 6)
    return len(body) + sum(len(name) + len(value) + 4 for name, value in answer.headers.items())


def typical(works: list[Work]) -> Work:
    """The mean of the counts, and the median of the times, which other work on the machine disturbs."""
    calls = Calls()
    for work in works:
        calls.add(work.calls)
    for name in NAMES:
        setattr(calls, name, getattr(calls, name) / len(works))
    mean = {
        name: sum(getattr(work, name) for work in works) / len(works)
        for name in ("runs", "api_requests", "scheduled", "bytes_out", "log_bytes")
    }
    return Work(works[0].memory_mb, billed_ms=median(work.billed_ms for work in works), calls=calls, **mean)


def later(clock: FixedClock, seconds: float) -> datetime:
    clock.sleep(seconds)
    return clock.now()
