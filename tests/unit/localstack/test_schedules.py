"""When a schedule fires. The plug-in lives in LocalStack's environment, so its interpreter answers."""

import json
import os
import subprocess

import pytest

from agnes_local import install

pytestmark = [pytest.mark.slow, pytest.mark.localstack]

ASK = """
import json, sys
from datetime import UTC, datetime
from types import SimpleNamespace
from agnes_lambda_executor.schedules import first_due, next_due
expression, zone, now, count = json.loads(sys.argv[1])
at = datetime.fromisoformat(now)
schedule = SimpleNamespace(name="s", schedule_expression=expression, schedule_expression_timezone=zone, start_date=None)
found = [first_due(schedule, at)]
for _ in range(count - 1):
    found.append(found[-1] and next_due(schedule, found[-1], found[-1]))
print(json.dumps([due and due.strftime("%m-%d %H:%M") for due in found]))
"""


@pytest.mark.parametrize(
    ("expression", "zone", "due"),
    [
        pytest.param("rate(1 minute)", "UTC", ["05-04 09:30", "05-04 09:31"], id="rate-fires-at-once"),
        pytest.param("rate(2 hours)", "UTC", ["05-04 09:30", "05-04 11:30"], id="rate-hours"),
        pytest.param("cron(15 3 * * ? *)", "UTC", ["05-05 03:15", "05-06 03:15"], id="cron-daily"),
        pytest.param("cron(0/20 * * * ? *)", "UTC", ["05-04 09:40", "05-04 10:00"], id="cron-steps"),
        pytest.param("cron(0 0 ? * 2 *)", "UTC", ["05-11 00:00", "05-18 00:00"], id="cron-2-is-monday"),
        pytest.param("cron(0 0 ? * MON *)", "UTC", ["05-11 00:00"], id="cron-names"),
        pytest.param("cron(0 12 * * ? *)", "Europe/Prague", ["05-04 10:00"], id="cron-in-its-zone"),
        pytest.param("at(2026-06-01T08:00:00)", "UTC", ["06-01 08:00", None], id="at-once-only"),
    ],
)
def test_a_schedule_is_due(expression, zone, due):
    ask = json.dumps([expression, zone, "2026-05-04T09:30:00+00:00", len(due)])  # a Monday
    done = subprocess.run(
        [str(install.localstack_python()), "-c", ASK, ask],
        env={"PATH": os.defpath, "PYTHONPATH": str(install.executor())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == due
