"""Alarms and the dashboard of the root stack.

An alarm that tells nobody costs as much as another, so there are none without an AlarmTopic. Errors of functions have no alarm
by name, of which there would be two hundred: those that people meet are API Gateway's 5xx, those of schedules and queues are tried
again and end in a queue of what failed for good, which has one.
"""

from __future__ import annotations

import json
from typing import Any

from agnes.hosting.aws_prices import ApiKind
from infra import http_api

FIVE_MINUTES = 300
LATE_SECONDS = 3600
"""A message that waits as long is not worked on: each queue's consumers take seconds, and a failed one comes again within 15 minutes."""
SLOW_MS = 3000
FEW_REQUESTS = 20
"""In five minutes. One failed request in the night wakes nobody."""
FAILED_PERCENT = 5

Resource = dict[str, Any]
Metric = dict[str, Any]


def resources(queues: list[str], api: ApiKind) -> dict[str, Resource]:
    """By logical id. `queues` are names of the queues that functions consume, without the stack's."""
    failed = ["failed-runs", *(f"{queue}-failed" for queue in queues)]
    alarms = {
        **{f"{_pascal(name)}Alarm": _dead_letters(name) for name in failed},
        **{f"{_pascal(name)}LateAlarm": _late(name) for name in queues},
        "ApiFailsAlarm": _failing(api),
        "ApiSlowAlarm": _alarm(
            "api-slow",
            f"One request in 20 takes longer than {SLOW_MS / 1000:g} s",
            SLOW_MS,
            periods=3,
            Namespace="AWS/ApiGateway",
            MetricName="Latency",
            Dimensions=_api(api),
            ExtendedStatistic="p95",
            Unit="Milliseconds",
        ),
        "ThrottledAlarm": _alarm(
            "throttled",
            "Lambda refuses calls: the account's concurrent executions are used up (of all stacks in this region)",
            10,
            Namespace="AWS/Lambda",
            MetricName="Throttles",
            Statistic="Sum",
        ),
        "SchedulesDroppedAlarm": _alarm(
            "schedules-dropped",
            "EventBridge Scheduler gave up runs without leaving them in a queue (schedules of the group default)",
            0,
            Namespace="AWS/Scheduler",
            MetricName="InvocationDroppedCount",
            Dimensions=[{"Name": "ScheduleGroup", "Value": "default"}],
            Statistic="Sum",
        ),
    }
    return alarms | {"Dashboard": _dashboard(queues, api), "Budget": _budget()}


def _alarm(name: str, description: str, threshold: float, *, periods: int = 1, **metric: Any) -> Resource:
    timing = {} if "Metrics" in metric else {"Period": FIVE_MINUTES}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Condition": "HasAlarmTopic",
        "Properties": {
            "AlarmName": {"Fn::Sub": f"${{AWS::StackName}}-{name}"},
            "AlarmDescription": f"{description}: docs/runbooks/watching.md",
            **metric,
            **timing,
            "EvaluationPeriods": periods,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "AlarmTopic"}],
            "OKActions": [{"Ref": "AlarmTopic"}],
        },
    }


def _queue(name: str) -> list[Metric]:
    return [{"Name": "QueueName", "Value": {"Fn::Sub": f"${{AWS::StackName}}-{name}"}}]


def _dead_letters(name: str) -> Resource:
    return _alarm(
        name,
        "Something failed as often as it was tried",
        0,
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Dimensions=_queue(name),
        Statistic="Maximum",
    )


def _late(name: str) -> Resource:
    return _alarm(
        f"{name}-late",
        f"A message waits for longer than {LATE_SECONDS // 60} minutes",
        LATE_SECONDS,
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=_queue(name),
        Statistic="Maximum",
    )


def _api(api: ApiKind) -> list[Metric]:
    """REST APIs are told apart by name, HTTP APIs by id."""
    if api == "rest":
        return [{"Name": "ApiName", "Value": {"Ref": "AWS::StackName"}}]
    return [{"Name": "ApiId", "Value": {"Ref": http_api.API}}]


def _failing(api: ApiKind) -> Resource:
    """A share of the requests: a number of errors says nothing without that of the requests."""

    def of(name: str, metric: str) -> Metric:
        stat = {
            "Metric": {"Namespace": "AWS/ApiGateway", "MetricName": metric, "Dimensions": _api(api)},
            "Period": FIVE_MINUTES,
            "Stat": "Sum",
        }
        return {"Id": name, "MetricStat": stat, "ReturnData": False}

    share = f"IF(requests > {FEW_REQUESTS}, 100 * failed / requests, 0)"
    return _alarm(
        "api-fails",
        f"More than {FAILED_PERCENT} % of the requests are answered with 5xx",
        FAILED_PERCENT,
        periods=2,
        Metrics=[
            of("failed", "5XXError" if api == "rest" else "5xx"),
            of("requests", "Count"),
            {"Id": "share", "Expression": share, "Label": "% of requests with 5xx", "ReturnData": True},
        ],
    )


def _budget() -> Resource:
    """Of the account: costs of one application need a tag that was made known to billing."""
    told = [{"SubscriptionType": "SNS", "Address": {"Ref": "AlarmTopic"}}]
    return {
        "Type": "AWS::Budgets::Budget",
        "Condition": "HasBudget",
        "Properties": {
            "Budget": {
                "BudgetName": {"Fn::Sub": "${AWS::StackName}"},
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": {"Ref": "MonthlyBudgetUsd"}, "Unit": "USD"},
            },
            "NotificationsWithSubscribers": [
                {
                    "Notification": {
                        "NotificationType": kind,
                        "ComparisonOperator": "GREATER_THAN",
                        "Threshold": percent,
                        "ThresholdType": "PERCENTAGE",
                    },
                    "Subscribers": told,
                }
                for kind, percent in (("ACTUAL", 80), ("FORECASTED", 100))
            ],
        },
    }


def _dashboard(queues: list[str], api: ApiKind) -> Resource:
    by, value = ("ApiName", "${AWS::StackName}") if api == "rest" else ("ApiId", f"${{{http_api.API}}}")
    failed, refused = ("5XXError", "4XXError") if api == "rest" else ("5xx", "4xx")

    def of_api(metric: str, stat: str, label: str) -> list[Any]:
        return ["AWS/ApiGateway", metric, by, value, {"stat": stat, "label": label}]

    def of_functions(metric: str, stat: str) -> list[Any]:
        search = f"SEARCH('{{AWS/Lambda,FunctionName}} MetricName=\"{metric}\" FunctionName=\"${{AWS::StackName}}-\"', '{stat}', {FIVE_MINUTES})"
        return [{"expression": search, "label": ""}]

    def of_queue(name: str, metric: str) -> list[Any]:
        return ["AWS/SQS", metric, "QueueName", f"${{AWS::StackName}}-{name}", {"stat": "Maximum", "label": name}]

    dead = ["failed-runs", *(f"{queue}-failed" for queue in queues)]
    graphs: list[tuple[str, list[list[Any]]]] = [
        (
            "Requests",
            [of_api("Count", "Sum", "all"), of_api(refused, "Sum", "4xx"), of_api(failed, "Sum", "5xx")],
        ),
        ("Latency, ms", [of_api("Latency", stat, stat) for stat in ("p50", "p95", "p99")]),
        ("Errors of functions", [of_functions("Errors", "Sum")]),
        ("Duration of functions, ms, p95", [of_functions("Duration", "p95")]),
        ("Concurrent executions", [of_functions("ConcurrentExecutions", "Maximum")]),
        ("Throttled calls of the account", [["AWS/Lambda", "Throttles", {"stat": "Sum"}]]),
        ("Oldest message, s", [of_queue(name, "ApproximateAgeOfOldestMessage") for name in queues]),
        ("Failed for good", [of_queue(name, "ApproximateNumberOfMessagesVisible") for name in dead]),
    ]
    widgets = [
        {
            "type": "metric",
            "width": 12,
            "height": 6,
            "x": 12 * (number % 2),
            "y": 6 * (number // 2),
            "properties": {
                "title": title,
                "region": "${AWS::Region}",
                "period": FIVE_MINUTES,
                "view": "timeSeries",
                "metrics": metrics,
            },
        }
        for number, (title, metrics) in enumerate(graphs)
    ]
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Condition": "HasDashboard",
        "Properties": {
            "DashboardName": {"Ref": "AWS::StackName"},
            "DashboardBody": {"Fn::Sub": json.dumps({"widgets": widgets})},
        },
    }


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
