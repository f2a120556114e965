"""`infra/<domain>.yaml`: one short entry a function, saying what it may touch and what starts it.

    post_install:
      reads: [marketplace]        # state files
      writes: [stack]             # state files that it commits to
      puts: [feed/]               # key prefixes
    cron_sync:
      writes: [marketplace]
      layers: [git]
      timeout_seconds: 900
      schedule: {cron: "0 3 * * ? *"}

An entry says only what differs from `Entry`'s defaults. What follows from the function's own contract is
not repeated here (`infra/policies.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import pydantic
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from infra.discovery import ROOT, CompositionError

Prefix = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_./*-]*$")]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$")]
PathPrefix = Annotated[str, StringConstraints(pattern=r"^(/([A-Za-z0-9._:-]+|\{[a-z_]+\}))+$")]
Layer = Literal["git", "arrow", "llm", "web", "sftp", "passwords", "identity", "checks", "adbc"]

STACK_FILES = frozenset({"root"})
"""Templates in infra/ that are no domain's table."""

API_SECONDS = 28
"""API Gateway gives up after 29."""


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Schedule(Model):
    """When EventBridge Scheduler calls the function: exactly one of `every` and `cron`."""

    every: Annotated[str, StringConstraints(pattern=r"^SCHEDULER_[A-Z_]+_INTERVAL$|^\d+ (minutes|hours|days)$")] = ""
    """The setting that holds the interval in seconds, or an interval that is nobody's to set."""
    cron: str = ""
    """EventBridge's six fields, UTC."""
    retries: int = Field(2, ge=0, le=10)
    """After a failure; what fails still goes to the dead-letter queue."""

    @model_validator(mode="after")
    def _one(self) -> Schedule:
        if bool(self.every) == bool(self.cron):
            raise ValueError("say either `every` or `cron`")
        return self


class QueueSource(Model):
    name: Word
    batch: int = Field(1, ge=1, le=10)
    attempts: int = Field(5, ge=1, le=20)
    """Deliveries of a message before it goes to the dead-letter queue."""
    concurrency: int | None = Field(None, ge=2, le=1000)
    """How many run at once; None: as many as Lambda likes. With a limit, an empty queue is asked by five pollers and not by
    two (`agnes.hosting.aws_prices`)."""


class Entry(Model):
    below: tuple[PathPrefix, ...] = ()
    """Paths below which the gateway leaves routing to the function: `infra/gateway_paths.py`."""
    reads: tuple[Word, ...] = ()
    writes: tuple[Word, ...] = ()
    gets: tuple[Prefix, ...] = ()
    puts: tuple[Prefix, ...] = ()
    streams: tuple[Prefix, ...] = ()
    """Where it writes objects of any size in parts, and ends an upload that failed."""
    lists: tuple[Prefix, ...] = ()
    removes: tuple[Prefix, ...] = ()
    secrets: tuple[str, ...] = ()
    """Names of secrets that it reads; `*` at the end stands for anything."""
    keeps_secrets: tuple[str, ...] = ()
    """Names of secrets that it makes, changes or removes (and reads)."""
    sends: tuple[Word, ...] = ()
    """Queues."""
    starts_jobs: bool = False
    """Whether it may start the functions of the schedules, each with its own rights."""
    layers: tuple[Layer, ...] = ()
    """Beside code, base and aws, which every function has, and web, which pages have and who renders Markdown."""
    memory_mb: int = Field(1024, ge=128, le=10240)
    scratch_mb: int = Field(0, ge=0, le=8192)
    """What it may put into temporary files beside the cache of state files."""
    waited_for: bool = False
    """Whether people wait for it: `infra/waited_for.py`."""
    timeout_seconds: int = Field(API_SECONDS, ge=1, le=900)
    environment: tuple[str, ...] = ()
    """Settings that only this function gets, from parameters of the root stack."""
    mails: bool = False
    """It sends mail: it gets the settings of mail and the secret `smtp`, and may send by SES."""
    signs_on: bool = False
    """It speaks with identity providers, or shows which there are: it gets the settings of single sign-on."""
    configures: bool = False
    """It edits settings: it gets the names of those that parameters of the stack hold, which win."""
    watches: bool = False
    """It reports system health: it gets the interval of every schedule, and may count dead letters."""
    schedule: Schedule | None = None
    queue: QueueSource | None = None
    at_deploy: int = Field(0, ge=0)
    """The deployer, and each local start, runs the job: those with 1 first. 0: not at all."""

    @model_validator(mode="after")
    def _one_trigger(self) -> Entry:
        if sum(map(bool, (self.schedule, self.queue, self.at_deploy))) > 1:
            raise ValueError("a function is started by a schedule, by a queue or at deploy")
        if self.waited_for and (self.schedule or self.queue or self.at_deploy or self.scratch_mb):
            raise ValueError("people wait for answers of the API, and such a function has no scratch files")
        if not (self.schedule or self.queue or self.at_deploy) and self.timeout_seconds > API_SECONDS:
            raise ValueError(f"behind the API a function has {API_SECONDS} seconds")
        return self


def domains() -> list[str]:
    return sorted(file.stem for file in (ROOT / "infra").glob("*.yaml") if file.stem not in STACK_FILES)


def load() -> dict[tuple[str, str], Entry]:
    """Every entry by `(domain, folder)`. Raises CompositionError naming what is wrong and where."""
    entries: dict[tuple[str, str], Entry] = {}
    problems: list[str] = []
    for domain in domains():
        table = yaml.safe_load((ROOT / "infra" / f"{domain}.yaml").read_text()) or {}
        for folder, given in table.items():
            try:
                entries[domain, folder] = Entry.model_validate(given or {})
            except pydantic.ValidationError as exc:
                problems += [f"infra/{domain}.yaml: {folder}: {line}" for line in _reasons(exc)]
    problems += _unknown_names(entries)
    if problems:
        raise CompositionError(problems)
    return entries


def _reasons(exc: pydantic.ValidationError) -> Iterator[str]:
    for error in exc.errors(include_url=False):
        yield f"{'.'.join(str(part) for part in error['loc']) or 'entry'}: {error['msg']}"


def _unknown_names(entries: dict[tuple[str, str], Entry]) -> Iterator[str]:
    migrations = ROOT / "shared/agnes/state/migrations"
    files = {folder.name for folder in migrations.iterdir() if folder.is_dir()} - {"common", "__pycache__"}
    queues = {entry.queue.name for entry in entries.values() if entry.queue}
    for (domain, folder), entry in entries.items():
        where = f"infra/{domain}.yaml: {folder}"
        yield from (f"{where}: no state file {name!r}" for name in {*entry.reads, *entry.writes} - files)
        yield from (f"{where}: nobody takes from a queue {name!r}" for name in set(entry.sends) - queues)
