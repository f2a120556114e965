"""Fires EventBridge Scheduler's schedules: LocalStack's free edition keeps them and never fires one.

As AWS does: `rate` without a start date fires at once and then at each interval, `cron` and `at` in the
schedule's time zone; the target's Input with `<aws.scheduler.…>` filled in, or Scheduler's own event. Targets
are Lambda functions, invoked asynchronously; an invocation that is not accepted goes to the dead-letter queue.
Not done: flexible windows (they fire at once) and Scheduler's own retries.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import re
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crontab import CronTab
from localstack.aws.connect import connect_to
from localstack.runtime import hooks

LOG = logging.getLogger(__name__)
EXPRESSION = re.compile(r"(rate|cron|at)\((.+)\)")


@dataclasses.dataclass
class _Planned:
    revision: tuple[str, str, float]
    due: datetime | None


@hooks.on_infra_ready()
def fire_schedules() -> None:
    threading.Thread(target=_run, name="agnes-schedules", daemon=True).start()


def _run() -> None:
    planned: dict[str, _Planned] = {}
    while True:
        try:
            _tick(planned, datetime.now(UTC))
        except Exception:
            LOG.exception("Schedules could not be looked at; they are tried again")
        time.sleep(1)


def _tick(planned: dict[str, _Planned], now: datetime) -> None:
    current = {schedule.arn: (schedule, account, region) for schedule, account, region in _schedules()}
    for arn in planned.keys() - current.keys():
        del planned[arn]
    for arn, (schedule, account, region) in current.items():
        revision = (schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.last_modified_date)
        entry = planned.get(arn)
        if entry is None or entry.revision != revision:
            entry = planned[arn] = _Planned(revision, first_due(schedule, now))
        if entry.due is None or entry.due > now:
            continue
        due, entry.due = entry.due, next_due(schedule, entry.due, now)
        if schedule.state == "ENABLED" and not (schedule.end_date and now.timestamp() > float(schedule.end_date)):
            threading.Thread(target=_fire, args=(schedule, account, region, due), daemon=True).start()


def _schedules() -> Iterator[tuple[Any, str, str]]:
    moto = sys.modules.get("moto.scheduler.models")  # absent until somebody speaks to Scheduler
    for account, regions in list(moto.scheduler_backends.items()) if moto else []:
        for region, backend in list(regions.items()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    yield schedule, account, region


def first_due(schedule: Any, now: datetime) -> datetime | None:
    kind, _ = _parsed(schedule)
    start = datetime.fromtimestamp(float(schedule.start_date), UTC) if schedule.start_date else now
    return max(start, now) if kind == "rate" else next_due(schedule, max(start, now), now, first=True)


def next_due(schedule: Any, last: datetime, now: datetime, *, first: bool = False) -> datetime | None:
    """When the schedule fires after `last`; None when it never does again. Missed times are not caught up."""
    kind, text = _parsed(schedule)
    zone = ZoneInfo(schedule.schedule_expression_timezone)
    if kind == "rate":
        value, unit = text.split()
        interval = timedelta(**{unit.rstrip("s") + "s": int(value)})
        return last + interval * max(1, -(-(now - last) // interval))
    if kind == "at":
        return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC) if first else None
    after = max(last, now).astimezone(zone)
    delay = CronTab(_unix_weekdays(text)).next(now=after.replace(tzinfo=None), default_utc=True)
    return None if delay is None else (after + timedelta(seconds=delay)).astimezone(UTC)


def _parsed(schedule: Any) -> tuple[str, str]:
    if not (match := EXPRESSION.fullmatch(schedule.schedule_expression.strip())):
        raise ValueError(f"schedule {schedule.name}: {schedule.schedule_expression}")
    return match[1], match[2]


def _unix_weekdays(cron: str) -> str:
    """AWS counts Sunday as 1, cron as 0."""
    minutes, hours, day, month, weekday, year = cron.split()
    weekday = re.sub(r"(?<![/#\w])[1-7]", lambda digit: str(int(digit[0]) - 1), weekday)
    return f"{minutes} {hours} {day} {month} {weekday} {year}"


def _fire(schedule: Any, account: str, region: str, due: datetime) -> None:
    event = _event(schedule, account, region, due)
    services = connect_to(aws_access_key_id=account, region_name=region)
    try:
        services.lambda_.invoke(FunctionName=schedule.target["Arn"], InvocationType="Event", Payload=event)
    except Exception as failure:
        LOG.warning("Schedule %s could not be delivered: %s", schedule.name, failure)
        if queue := (schedule.target.get("DeadLetterConfig") or {}).get("Arn"):
            url = services.sqs.get_queue_url(QueueName=queue.rpartition(":")[2])["QueueUrl"]
            services.sqs.send_message(QueueUrl=url, MessageBody=event)


def _event(schedule: Any, account: str, region: str, due: datetime) -> str:
    at, identity = due.strftime("%Y-%m-%dT%H:%M:%SZ"), str(uuid.uuid4())
    if text := schedule.target.get("Input"):
        values = {
            "schedule-arn": schedule.arn,
            "scheduled-time": at,
            "execution-id": identity,
            "attempt-number": "1",
        }
        return re.sub(r"<aws\.scheduler\.([a-z-]+)>", lambda name: values.get(name[1], name[0]), text)
    return json.dumps(
        {
            "version": "0",
            "id": identity,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": at,
            "region": region,
            "resources": [schedule.arn],
            "detail": "{}",
        }
    )
