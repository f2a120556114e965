"""The composed installation: what `infra/` says there is, with each function's Chalice app at hand.

The gateway takes its routes from the API document, the scheduler its schedules and queues from the templates,
so what is not in infra/ does not exist locally either.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]

if str(ROOT) not in sys.path:  # `functions` and `infra` are folders of the checkout, not installed packages
    sys.path.insert(0, str(ROOT))

if TYPE_CHECKING:
    from infra.compose import Composition

ANY = "ANY"
_FUNCTION = re.compile(r"function:\$\{AWS::StackName\}-([a-z]+)-(\w+)/invocations$")


@dataclass(frozen=True)
class Route:
    method: str
    """ANY for all methods."""
    path: str
    """As the gateway has it: `/api/users/{id}`, or `/scim/v2/{proxy+}` for all of a function's routes below a prefix."""
    function: str
    """`<domain>-<folder>`."""
    app: Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Job:
    """A scheduled function."""

    name: str
    """Such as `telemetry.extract_usage`."""
    function: str
    handler: Callable[[dict[str, Any], Any], Any]
    expression: str
    """EventBridge's: `rate(10 minutes)` or `cron(0 3 * * ? *)`; empty if `setting` holds the interval."""
    setting: str
    """Field of Settings with the interval in seconds; empty if `expression` says it."""
    retries: int


@dataclass(frozen=True)
class Consumer:
    """A function that a queue calls."""

    queue: str
    function: str
    handler: Callable[[dict[str, Any], Any], Any]
    batch: int
    attempts: int
    visibility_seconds: int


@cache
def composition() -> Composition:
    """Raises CompositionError."""
    from infra.compose import compose

    return compose()


def routes() -> list[Route]:
    """What the gateway has; which routes of a function these are for is `Composition.functions`."""
    from infra.openapi import ANY_METHOD

    apps = {function.name: function.app for function in composition().functions}
    found = []
    for path, operations in composition().api["paths"].items():
        for method, operation in operations.items():
            uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
            found_in = _FUNCTION.search(uri)
            if found_in is None:
                raise ValueError(f"{method.upper()} {path} of the composed API names no function: {uri}")
            name = "-".join(found_in.groups())
            found.append(Route(ANY if method == ANY_METHOD else method.upper(), path, name, apps[name]))
    return found


def decorated() -> list[tuple[str, str, str]]:
    """Path, method and function of every route, as the decorators have them."""
    return sorted((route.path, route.method, f.name) for f in composition().functions for route in f.routes)


def jobs() -> list[Job]:
    from infra.templates import interval_setting

    found = []
    for name, handler, event, _ in _events("ScheduleV2"):
        expression = event["ScheduleExpression"]
        setting = interval_setting(expression["Ref"]) if isinstance(expression, dict) else ""
        found.append(
            Job(
                name=event["Description"],
                function=name,
                handler=handler,
                expression="" if setting else expression,
                setting=setting,
                retries=event["RetryPolicy"]["MaximumRetryAttempts"],
            )
        )
    return sorted(found, key=lambda job: job.name)


def at_deploy() -> list[tuple[str, Callable[[dict[str, Any], Any], Any]]]:
    """Functions that run before an installation serves, in their order."""
    listed = composition().templates["root"]["Outputs"]["AtDeploy"]["Value"]["Fn::Sub"]
    names = [name.removeprefix("${AWS::StackName}-") for name in listed.split(",")]
    return [(name, _handlers()[name]) for name in names]


def consumers() -> list[Consumer]:
    found = []
    for name, handler, event, resources in _events("SQS"):
        queue = resources[event["Queue"]["Fn::GetAtt"][0]]["Properties"]
        found.append(
            Consumer(
                queue=queue["QueueName"]["Fn::Sub"].removeprefix("${Stack}-"),
                function=name,
                handler=handler,
                batch=event["BatchSize"],
                attempts=queue["RedrivePolicy"]["maxReceiveCount"],
                visibility_seconds=queue["VisibilityTimeout"],
            )
        )
    return found


def _events(kind: str) -> list[tuple[str, Callable[..., Any], dict[str, Any], dict[str, Any]]]:
    """Function's name, handler, the event's properties, and its template's resources."""
    handlers = _handlers()
    found = []
    for template in composition().templates.values():
        resources = template["Resources"]
        for resource in resources.values():
            for label, event in resource["Properties"].get("Events", {}).items():
                if event["Type"] == kind and label != "KeepWarm":  # a process here is warm while it lives
                    name = resource["Properties"]["FunctionName"]["Fn::Sub"].removeprefix("${Stack}-")
                    found.append((name, handlers[name], event["Properties"], resources))
    return found


def _handlers() -> dict[str, Callable[[dict[str, Any], Any], Any]]:
    apps = {function.name: function.app for function in composition().functions}
    return {name: app.pure_lambda_functions[0].func for name, app in apps.items() if app.pure_lambda_functions}
