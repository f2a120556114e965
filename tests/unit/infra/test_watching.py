"""Alarms and the dashboard: what they look at is there, by the names that AWS gives it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from infra import compose
from infra.compose import Composition

pytestmark = pytest.mark.slow
RUNBOOK = Path(__file__).parents[3] / "docs" / "runbooks" / "watching.md"


@pytest.fixture(scope="module", params=["rest", "http"])
def composition(request: pytest.FixtureRequest) -> Composition:
    return compose.compose(request.param)


def of_kind(composition: Composition, kind: str) -> dict[str, dict]:
    resources = composition.templates["root"]["Resources"]
    return {name: resource for name, resource in resources.items() if resource["Type"] == kind}


def queues(composition: Composition) -> set[str]:
    found = {
        resource["Properties"]["QueueName"]["Fn::Sub"].partition("}-")[2]
        for template in composition.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::SQS::Queue"
    }
    assert len(found) > 8
    return found


def test_without_a_topic_there_are_no_alarms_and_no_budget(composition: Composition) -> None:
    alarms = of_kind(composition, "AWS::CloudWatch::Alarm")
    assert {alarm["Condition"] for alarm in alarms.values()} == {"HasAlarmTopic"}
    [budget] = of_kind(composition, "AWS::Budgets::Budget").values()
    assert budget["Condition"] == "HasBudget"
    conditions = composition.templates["root"]["Conditions"]
    assert {"Condition": "HasAlarmTopic"} in conditions["HasBudget"]["Fn::And"]


def test_every_queue_is_watched(composition: Composition) -> None:
    watched: dict[str, set[str]] = {}
    for alarm in of_kind(composition, "AWS::CloudWatch::Alarm").values():
        for dimension in alarm["Properties"].get("Dimensions", ()):
            if dimension["Name"] == "QueueName":
                name = dimension["Value"]["Fn::Sub"].partition("}-")[2]
                watched.setdefault(alarm["Properties"]["MetricName"], set()).add(name)
    dead = {name for name in queues(composition) if name.endswith(("-failed", "failed-runs"))}
    assert watched == {
        "ApproximateNumberOfMessagesVisible": dead,
        "ApproximateAgeOfOldestMessage": queues(composition) - dead,
    }


def test_each_alarm_has_a_name_of_its_own_and_a_place_in_the_runbook(composition: Composition) -> None:
    alarms = [alarm["Properties"] for alarm in of_kind(composition, "AWS::CloudWatch::Alarm").values()]
    names = [alarm["AlarmName"]["Fn::Sub"].partition("}-")[2] for alarm in alarms]
    assert len(set(names)) == len(names)
    runbook = RUNBOOK.read_text()
    for name, alarm in zip(names, alarms, strict=True):
        assert alarm["AlarmDescription"].endswith("docs/runbooks/watching.md")
        kind = re.sub(r"^.*-(failed|late)$", r"…-\1", name)
        assert f"`{kind}`" in runbook, f"{name}: say in the runbook what to do"


def test_the_dashboard_names_what_is_there(composition: Composition) -> None:
    [dashboard] = of_kind(composition, "AWS::CloudWatch::Dashboard").values()
    assert dashboard["Condition"] == "HasDashboard"
    body = dashboard["Properties"]["DashboardBody"]["Fn::Sub"]
    named = set(re.findall(r"\$\{([\w:]+)\}", body))
    assert named <= {"AWS::StackName", "AWS::Region", *composition.templates["root"]["Resources"]}
    widgets = json.loads(body)["widgets"]
    assert len(widgets) == 8
    assert len({(widget["x"], widget["y"]) for widget in widgets}) == 8
    shown = {
        metric[3].partition("}-")[2]
        for widget in widgets
        for metric in widget["properties"]["metrics"]
        if metric[0] == "AWS/SQS"
    }
    assert shown == queues(composition)
