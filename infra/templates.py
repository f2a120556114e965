"""SAM templates: `infra/root.yaml` completed, and one nested stack a domain, expanded from its table."""

from __future__ import annotations

import copy
import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from agnes.hosting.aws_prices import ApiKind
from agnes.kernel import schedules
from agnes.settings import ALLOCATOR, PLUGINS_OFF, Settings
from infra import http_api, tracing, waited_for, watching
from infra.discovery import ROOT, Found
from infra.policies import statements
from infra.tables import Entry, QueueSource, Schedule
from layers import runtimes

MAIL = ("AGNES_MAIL", "SMTP_HOST", "SMTP_PORT", "SMTP_USER", "SMTP_FROM", "SMTP_USE_TLS")
"""Settings of functions that send mail; the password is the secret `smtp`."""
SIGN_ON = (
    "ALLOWED_DOMAINS", "GOOGLE_CLIENT_ID", "GOOGLE_ADMIN_SDK_SUBJECT", "AGNES_GOOGLE_GROUP_PREFIX",
    "AGNES_GROUP_ADMIN_EMAIL", "AGNES_GROUP_EVERYONE_EMAIL", "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_NAME", "OIDC_SCOPES",
    "OIDC_GROUPS_CLAIM", "OIDC_GROUP_PREFIX", "OIDC_ADMIN_GROUP", "OIDC_EMAIL_VERIFIED", "OIDC_ALLOW",
)  # fmt: skip
"""Settings of functions that sign people on; clients' secrets are the secrets `google_oauth` and `oidc`."""
LONGEST_SETTING = {"OIDC_NAME": 60, "OIDC_EMAIL_VERIFIED": 8, "OIDC_ALLOW": 12, "OIDC_GROUPS_CLAIM": 60}
"""Characters of those that are shorter than 150 by what they may be: a function's variables have 4,096 bytes together."""
EDITED = ("FLEA_REVIEW", "FLEA_REVIEW_MODEL", "USAGE_ASK_MODEL")
"""Other settings that admins edit and that are parameters of the stack."""
SET_BY_DEPLOYMENT = "AGNES_SET_BY_DEPLOYMENT"
HEAD = {"AWSTemplateFormatVersion": "2010-09-09", "Transform": "AWS::Serverless-2016-10-31"}

Template = dict[str, Any]
Entries = dict[tuple[str, str], Entry]


def compose(
    functions: Iterable[Found],
    entries: Entries,
    document: dict[str, Any],
    *,
    api: ApiKind = "rest",
    snap_start: bool = False,
    traces: bool = False,
) -> dict[str, Template]:
    """Templates by name: `root`, and each domain's."""
    if snap_start:
        waited = {f"{domain}-{folder}" for (domain, folder), entry in entries.items() if entry.waited_for}
        document = copy.deepcopy(document)  # the local gateway goes by the other one
        waited_for.call_aliases(document, waited)
    root = yaml.safe_load((ROOT / "infra" / "root.yaml").read_text())
    nested = root.pop("x-nested")
    # Layers are built for the interpreter that composes: `make deploy` refuses one that AWS has no runtime for.
    runtime = runtimes.name_of(runtimes.running())
    nested["Globals"]["Function"]["Runtime"] = runtime
    nested["Globals"]["Function"]["Environment"]["Variables"] |= PLUGINS_OFF
    if traces:
        tracing.switch_on(root, nested)
    if api == "http":
        http_api.rewrite(root, nested, document)
    for resource in root["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Runtime"] = runtime
    by_domain: dict[str, list[Found]] = {}
    for function in functions:
        by_domain.setdefault(function.domain, []).append(function)
    intervals = sorted({e.schedule.every for e in entries.values() if e.schedule and e.schedule.every.isupper()})
    root["Parameters"] |= {
        _interval_parameter(name): {
            "Type": "String",
            "Default": _rate(Settings.model_fields[name.lower()].default),
            "MaxLength": 30,
            "AllowedPattern": r"rate\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\)",
            "ConstraintDescription": "such as rate(10 minutes)",
            "Description": f"{name} of the local gateway, as EventBridge writes it.",
        }
        for name in intervals
    }
    entries = {
        where: e.model_copy(update={"environment": (*e.environment, *intervals)}) if e.watches else e
        for where, e in entries.items()
    }
    entries = {
        where: e.model_copy(update={"environment": (*e.environment, *MAIL)}) if e.mails else e
        for where, e in entries.items()
    }
    entries = {
        where: e.model_copy(update={"environment": (*e.environment, *SIGN_ON)}) if e.signs_on else e
        for where, e in entries.items()
    }
    root["Parameters"] |= {_pascal(name): _setting_parameter(name) for name in SIGN_ON}
    entries = {
        where: e.model_copy(update={"environment": (*e.environment, SET_BY_DEPLOYMENT)}) if e.configures else e
        for where, e in entries.items()
    }
    queues = sorted({entry.queue.name for entry in entries.values() if entry.queue})
    layers = {f"{name.title()}Layer": _layer(name) for name in root.pop("x-layers")}
    root["Resources"] |= layers | watching.resources(queues, api)
    given = (
        {name: {"Ref": name} for name in layers}
        | nested["Parameters"]
        | {name: {"Ref": name} for name in root["Parameters"]}
        | {_pascal(SET_BY_DEPLOYMENT): _set_by_deployment(root)}
    )
    if api == "rest":
        root["Resources"]["Api"]["Properties"]["DefinitionBody"] = document
    templates = {"root": root}
    for domain, members in by_domain.items():
        template = _domain(members, entries, nested["Globals"], nested["Types"], snap_start=snap_start)
        templates[domain] = template
        root["Resources"][f"{_pascal(domain)}Stack"] = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {
                "TemplateURL": f"{domain}.yaml",
                "Parameters": {name: given[name] for name in template["Parameters"]},
            },
        }
    at_deploy = sorted((e.at_deploy, f"{domain}-{folder}") for (domain, folder), e in entries.items() if e.at_deploy)
    root["Outputs"]["AtDeploy"] = {
        "Description": "Functions to invoke after a deploy, in this order",
        "Value": {"Fn::Sub": ",".join(f"${{AWS::StackName}}-{name}" for _, name in at_deploy)},
    }
    if at_deploy:
        _migrate_first(root, at_deploy[0][1])
    return templates


SIGN_IN = {"AccountsStack", "DirectoryStack"}
"""Updated last: whoever signs in during a deployment gets a credential that all other functions know already."""


def _migrate_first(root: dict[str, Any], function: str) -> None:
    """Let the deployment run this function, as soon as it is updated, before any other nested stack is touched."""
    resources = root["Resources"]
    first = f"{_pascal(function.partition('-')[0])}Stack"
    name = {"Fn::Sub": f"${{AWS::StackName}}-{function}"}
    arn = f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:${{AWS::AccountId}}:function:{name['Fn::Sub']}"
    allowed = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": [{"Fn::Sub": arn}]}
    resources["Migrator"]["Properties"]["Policies"] = [{"Version": "2012-10-17", "Statement": [allowed]}]
    resources["Migrated"]["DependsOn"] = first
    # CloudFormation asks again when one of these differs from the last deployment's.
    resources["Migrated"]["Properties"] |= {"Function": name, "State": _state_digest(function)}
    others = [
        logical
        for logical, resource in resources.items()
        if resource["Type"] == "AWS::CloudFormation::Stack" and logical != first
    ]
    for logical in others:
        resources[logical]["DependsOn"] = "Migrated"
    for logical in SIGN_IN.intersection(others):
        resources[logical]["DependsOn"] = ["Migrated", *sorted(set(others) - SIGN_IN)]


def _state_digest(function: str, root: Path = ROOT) -> str:
    """What decides about the form of the state: the code of the state files with its migrations, and the migrating function."""
    domain, _, folder = function.partition("-")
    sources = [*(root / "shared/agnes/state").rglob("*"), root / "functions" / domain / folder / "app.py"]
    digest = hashlib.sha256()
    for source in sorted(path for path in sources if path.suffix in (".py", ".sql")):
        digest.update(f"{source.relative_to(root)}\0".encode() + source.read_bytes())
    return digest.hexdigest()[:16]


def _setting_parameter(name: str) -> dict[str, Any]:
    """A parameter of the root stack for a setting that is a line of text."""
    field = Settings.model_fields[name.lower()]
    default = field.default if isinstance(field.default, str) else ""
    longest = LONGEST_SETTING.get(name, 150)
    return {"Type": "String", "Default": default, "MaxLength": longest, "Description": str(field.description)[:4000]}


def _set_by_deployment(root: dict[str, Any]) -> dict[str, Any]:
    """Names of the edited settings whose parameter has another value than the setting's default, with commas between."""
    names = []
    for name in (*MAIL, *SIGN_ON, *EDITED):
        parameter, condition = _pascal(name), f"Sets{_pascal(name)}"
        default = str(root["Parameters"][parameter]["Default"])
        root["Conditions"][condition] = {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, default]}]}
        names.append({"Fn::If": [condition, name, ""]})
    return {"Fn::Join": [",", names]}


def _layer(name: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Serverless::LayerVersion",
        "Properties": {
            "LayerName": {"Fn::Sub": f"${{AWS::StackName}}-{name}"},
            "ContentUri": f"../layers/{name}",
            "CompatibleRuntimes": [runtimes.name_of(runtimes.running())],
            "RetentionPolicy": "Delete",
        },
    }


def _domain(
    members: list[Found], entries: Entries, defaults: dict[str, Any], types: dict[str, Any], *, snap_start: bool
) -> Template:
    resources: dict[str, Any] = {}
    scheduled = [f"{domain}-{folder}" for (domain, folder), entry in entries.items() if entry.schedule]
    for function in members:
        resources |= _function(function, entries[function.domain, function.folder], scheduled, snap_start=snap_start)
    body = {"Globals": defaults, "Resources": resources}
    names = sorted(name for name in _references(body) - resources.keys() if "::" not in name)
    return {**HEAD, "Parameters": {name: types.get(name, {"Type": "String"}) for name in names}, **body}


def function_layers(function: Found, entry: Entry) -> list[str]:
    """Beside those that every function has. Whatever may answer a page renders, be it an error."""
    web = {"web"} if any(route.contract.kind == "page" for route in function.routes) else set()
    return sorted(web | set(entry.layers))


def _function(function: Found, entry: Entry, scheduled: list[str], *, snap_start: bool) -> dict[str, Any]:
    logical = _pascal(function.folder)
    properties: dict[str, Any] = {
        "FunctionName": {"Fn::Sub": f"${{Stack}}-{function.name}"},
        "Description": _description(function),
        "CodeUri": f"../../{function.place}",
        "Handler": function.handler,
        "MemorySize": entry.memory_mb,
        "Timeout": entry.timeout_seconds,
        "EphemeralStorage": {"Size": waited_for.disk_mb(entry, snap_start=snap_start)},
    }
    if layers := function_layers(function, entry):
        properties["Layers"] = [{"Ref": f"{layer.title()}Layer"} for layer in layers]
    if allowed := statements(function, entry, scheduled=scheduled):
        properties["Policies"] = [{"Version": "2012-10-17", "Statement": allowed}]
    variables: dict[str, Any] = {name: {"Ref": _pascal(name)} for name in entry.environment}
    if "arrow" in function_layers(function, entry):
        variables |= ALLOCATOR
    if variables:
        properties["Environment"] = {"Variables": variables}
    resources: dict[str, Any] = {
        logical: {"Type": "AWS::Serverless::Function", "DependsOn": f"{logical}Logs", "Properties": properties},
        f"{logical}Logs": {
            "Type": "AWS::Logs::LogGroup",
            "Properties": {
                "LogGroupName": {"Fn::Sub": f"/aws/lambda/${{Stack}}-{function.name}"},
                "RetentionInDays": {"Ref": "LogRetentionDays"},
            },
            "DeletionPolicy": "Delete",
            "UpdateReplacePolicy": "Delete",
        },
    }
    if function.routes:
        resources[f"{logical}Permission"] = {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": logical},
                "Principal": "apigateway.amazonaws.com",
                "SourceArn": {
                    "Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${ApiId}/*/*/*"
                },
            },
        }
    if entry.schedule:
        properties["Events"] = {"Schedule": _schedule(function, entry.schedule)}
        properties["EventInvokeConfig"] = _failing(entry.schedule)
    if entry.queue:
        resources |= _queue(logical, entry.queue, entry.timeout_seconds)
        messages: dict[str, Any] = {
            "Queue": {"Fn::GetAtt": [f"{logical}Queue", "Arn"]},
            "BatchSize": entry.queue.batch,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
        }
        if entry.queue.concurrency:
            messages["ScalingConfig"] = {"MaximumConcurrency": entry.queue.concurrency}
        properties["Events"] = {"Messages": {"Type": "SQS", "Properties": messages}}
    if entry.waited_for:
        properties["Events"] = {waited_for.KEEP_WARM: waited_for.keep_warm(function, entry)}
        if snap_start:
            waited_for.snap_start(logical, properties, resources)
    return resources


def _schedule(function: Found, schedule: Schedule) -> dict[str, Any]:
    every = schedule.every
    expression: Any = {"Ref": _interval_parameter(every)} if every.isupper() else expression_of(schedule)
    return {
        "Type": "ScheduleV2",
        "Properties": {
            "Name": {"Fn::Sub": f"${{Stack}}-{function.name}"},
            "Description": function.job_name,
            "ScheduleExpression": expression,
            "RetryPolicy": {"MaximumRetryAttempts": schedule.retries, "MaximumEventAgeInSeconds": 3600},
            "DeadLetterConfig": {"Arn": {"Ref": "FailedRunsArn"}},
        },
    }


def _failing(schedule: Schedule) -> dict[str, Any]:
    """A schedule only hands its event over: whether the function did its work, Lambda alone sees."""
    return {
        "MaximumRetryAttempts": min(2, schedule.retries),  # Lambda knows no more
        "MaximumEventAgeInSeconds": 3600,
        "DestinationConfig": {"OnFailure": {"Type": "SQS", "Destination": {"Ref": "FailedRunsArn"}}},
    }


def expression_of(schedule: Schedule) -> str:
    """Of a schedule that no setting changes, as EventBridge writes it."""
    if schedule.cron:
        expression = f"cron({schedule.cron})"
    else:
        count, unit = schedule.every.split()
        expression = f"rate({count} {unit.removesuffix('s') if count == '1' else unit})"
    schedules.parse(expression)  # what the local scheduler and health could not follow is not composed
    return expression


def _queue(logical: str, queue: QueueSource, timeout_seconds: int) -> dict[str, Any]:
    name = queue.name
    return {
        f"{logical}Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {"Fn::Sub": f"${{Stack}}-{name}"},
                "SqsManagedSseEnabled": True,
                # AWS's own advice: a message must not come back while its batch is still worked on.
                "VisibilityTimeout": 6 * timeout_seconds,
                "RedrivePolicy": {
                    "deadLetterTargetArn": {"Fn::GetAtt": [f"{logical}Failed", "Arn"]},
                    "maxReceiveCount": queue.attempts,
                },
            },
        },
        f"{logical}Failed": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {"Fn::Sub": f"${{Stack}}-{name}-failed"},
                "SqsManagedSseEnabled": True,
                "MessageRetentionPeriod": 1209600,
            },
        },
    }


def _description(function: Found) -> str:
    if function.job is None:
        return ", ".join(f"{route.method} {route.path}" for route in function.routes)[:256]
    return f"{function.job.kind} {function.job.summary}"


def _interval_parameter(setting: str) -> str:
    """SCHEDULER_USAGE_PRUNE_INTERVAL → SchedulerUsagePruneInterval"""
    return _pascal(setting)


def interval_setting(parameter: str) -> str:
    """SchedulerUsagePruneInterval → scheduler_usage_prune_interval"""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", parameter).lower()


def _rate(seconds: int) -> str:
    minutes = math.ceil(seconds / 60)
    return f"rate({minutes} minute{'' if minutes == 1 else 's'})"


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[_-]", name))


def _references(node: Any) -> set[str]:
    """Names that Ref and Fn::Sub mention."""
    return set(_mentioned(node))


def _mentioned(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                yield value
            elif key == "Fn::Sub" and isinstance(value, str):
                yield from re.findall(r"\$\{([\w:.]+)\}", value)
            else:
                yield from _mentioned(value)
    elif isinstance(node, list):
        for item in node:
            yield from _mentioned(item)
