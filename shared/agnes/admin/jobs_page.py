"""Scheduled jobs: when each ran, how it ended, when it is due, and a button that starts one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from agnes.ops.jobs import Job

PATH = "/admin/system/jobs"
_CRON = re.compile(r"cron\((\d+) (\d+)(?:/(\d+))? \* \* \? \*\)")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


class JobForm(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["run"]
    job: str = Field(min_length=1, max_length=100)


@dataclass(frozen=True)
class JobsPage:
    template: ClassVar[str] = "admin/jobs.html"
    title: ClassVar[str] = "Jobs"

    jobs: list[Job]
    """Those whose last run failed first, then by name."""
    now: datetime

    @property
    def failed(self) -> int:
        return sum(job.last is not None and not job.last.ok for job in self.jobs)

    def runs(self, job: Job) -> str:
        """Its schedule in words, or the expression where there are none for it: `every 20 minutes`, `daily at 03:10`."""
        if job.every_seconds:
            for seconds, unit in _UNITS:
                count, rest = divmod(job.every_seconds, seconds)
                if count and not rest:
                    return f"every {unit}" if count == 1 else f"every {count} {unit}s"
        if found := _CRON.fullmatch(job.schedule):
            minute, hour, step = int(found[1]), int(found[2]), found[3]
            at = f"{hour:02}:{minute:02}"
            return f"every {step} hours, from {at}" if step else f"daily at {at}"
        return job.schedule

    def state(self, job: Job) -> tuple[str, str]:
        """(word, colour) of the last run."""
        if job.last is None:
            return "Never ran", ""
        return ("OK", "green") if job.last.ok else ("Failed", "red")


def jobs_page(jobs: list[Job], *, now: datetime) -> JobsPage:
    return JobsPage(sorted(jobs, key=lambda job: (job.last is None or job.last.ok, job.name)), now)
