"""What AWS refuses, or bends, in an API document or a template: quotas, names, paths.

LocalStack takes nearly everything, so `infra/compose.py` asks here and stops instead. Each function returns one line a
problem. Sources: AWS's pages of quotas and important notes, read on 2026-11-30; "adjustable" quotas are taken at their
default, because a new account has no other.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

LONGEST_STACK_NAME = 20
"""Ours: it is a part of every function's, queue's and schedule's name, and of every ARN in a policy."""
STACK_NAME = re.compile(r"[a-z][a-z0-9-]*")
"""CloudFormation allows capitals; the bucket's generated name does not."""

# API Gateway
REST_RESOURCES = 300
"""Path resources of one REST API, `/` among them (adjustable)."""
HTTP_ROUTES = 300
"""Routes of one HTTP API, a method of a path each (adjustable); it may have as many integrations (not adjustable)."""
API_DOCUMENT_BYTES = 6 * 1024 * 1024
PATH_PART = re.compile(r"[A-Za-z0-9._:-]+|\{[A-Za-z0-9._:-]+\+?\}")
RESERVED_PATHS = frozenset({"/ping", "/sping"})
"""Kept for the service's own health check."""
METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options", "x-amazon-apigateway-any-method"})
GATEWAY_RESPONSES = frozenset(
    {
        *("ACCESS_DENIED", "API_CONFIGURATION_ERROR", "AUTHORIZER_CONFIGURATION_ERROR", "AUTHORIZER_FAILURE"),
        *("BAD_REQUEST_BODY", "BAD_REQUEST_PARAMETERS", "DEFAULT_4XX", "DEFAULT_5XX", "EXPIRED_TOKEN"),
        *("INTEGRATION_FAILURE", "INTEGRATION_TIMEOUT", "INVALID_API_KEY", "INVALID_SIGNATURE"),
        *("MISSING_AUTHENTICATION_TOKEN", "QUOTA_EXCEEDED", "REQUEST_TOO_LARGE", "RESOURCE_NOT_FOUND", "THROTTLED"),
        *("UNAUTHORIZED", "UNSUPPORTED_MEDIA_TYPE", "WAF_FILTERED"),
    }
)

# CloudFormation
TEMPLATE_BYTES = 1_048_576
"""Of a template in S3."""
TEMPLATE_RESOURCES = 500
OPERATION_RESOURCES = 2500
"""That a root stack and those nested in it may change at once."""
TEMPLATE_PARAMETERS = 200
TEMPLATE_OUTPUTS = 200
DESCRIPTION_BYTES = 1024

# Lambda
FUNCTION_NAME = 64
FUNCTION_LAYERS = 5
FUNCTION_DESCRIPTION = 256
HANDLER = 128
INLINE_CODE = 4096
"""Characters of a function's code inside a template."""
ENVIRONMENT_BYTES = 4096
"""Names and values together, as JSON."""
VARIABLE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]+")
RESERVED_VARIABLES = frozenset(
    {
        *("_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV"),
        *("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR"),
    }
)

# IAM, SQS, EventBridge Scheduler, CloudWatch
INLINE_POLICY_BYTES = 10_240
"""All inline policies of one role together, without white space."""
QUEUE_NAME = 80
SCHEDULE_NAME = 64
LOG_GROUP_NAME = 512

LONGEST = {
    "AWS::Region": 25,
    "AWS::AccountId": 12,
    "AWS::Partition": 10,
    "AWS::URLSuffix": 17,
    "AWS::StackName": LONGEST_STACK_NAME,
    "AWS::NoValue": 0,
    "Bucket": 63,
    "Api": 10,
    "HttpApi": 10,
}
"""How long what a template refers to may become, in characters, beside parameters."""
NUMBER = 20


def document_problems(document: dict[str, Any]) -> list[str]:
    """Why API Gateway would refuse this OpenAPI document, as a REST API or as an HTTP API."""
    paths = document["paths"]
    routes = sum(len(methods) for methods in paths.values())
    resources = path_resources(paths)
    size = len(json.dumps(document))
    problems = [problem for path in paths for problem in _path_problems(path)]
    problems += _sibling_problems(paths)
    problems += [
        f"{path}: API Gateway has no method {method!r}" for path in paths for method in paths[path].keys() - METHODS
    ]
    if resources > REST_RESOURCES:
        problems.append(f"{resources} path resources; a REST API has {REST_RESOURCES}")
    if routes > HTTP_ROUTES:
        problems.append(f"{routes} routes; an HTTP API has {HTTP_ROUTES}")
    if size > API_DOCUMENT_BYTES:
        problems.append(f"the API's document has {size:,} bytes; API Gateway imports {API_DOCUMENT_BYTES:,}")
    return problems + list(_response_problems(document))


def path_resources(paths: Iterable[str]) -> int:
    """How many path resources API Gateway makes: `/`, and one for each distinct prefix below it."""
    prefixes = {"/".join(path.split("/")[: depth + 1]) for path in paths for depth in range(1, path.count("/") + 1)}
    return len(prefixes | {"/"})


def _path_problems(path: str) -> Iterator[str]:
    if not path.startswith("/"):
        yield f"{path}: a path begins with /"
        return
    if path in RESERVED_PATHS:
        yield f"{path}: API Gateway keeps this path for itself"
    parts = path[1:].split("/") if path != "/" else []
    for number, part in enumerate(parts, 1):
        if not part:
            yield f"{path}: API Gateway has no empty path parts, so no // and no / at the end"
        elif not PATH_PART.fullmatch(part):
            yield f"{path}: {part!r}: a path part has the characters A-Z a-z 0-9 . _ : - or is one variable in braces"
        elif part.endswith("+}") and number < len(parts):
            yield f"{path}: {part} takes all that follows, so nothing may follow it"
    variables = [part.strip("{+}") for part in parts if part.startswith("{")]
    yield from (f"{path}: {{{name}}} is there twice" for name in sorted(set(variables)) if variables.count(name) > 1)


def _sibling_problems(paths: Iterable[str]) -> Iterator[str]:
    """A resource of a REST API has one variable child at most: "only one is allowed"."""
    children: dict[str, dict[str, str]] = defaultdict(dict)
    for path in paths:
        parts = path.split("/")
        for depth, part in enumerate(parts):
            if part.startswith("{"):
                children["/".join(parts[:depth]) or "/"].setdefault(part, path)
    for parent, variables in children.items():
        if len(variables) > 1:
            named = ", ".join(f"{name} of {path}" for name, path in sorted(variables.items()))
            yield f"{parent}: path variables beside each other must have one name in a REST API, not {named}"


def _response_problems(document: dict[str, Any]) -> Iterator[str]:
    """Gateway responses of kinds that API Gateway does not know, and validators and authorizers that nobody defines."""
    kinds = document.get("x-amazon-apigateway-gateway-responses", {})
    yield from (f"API Gateway has no gateway response {kind}" for kind in kinds.keys() - GATEWAY_RESPONSES)
    defined = document.get("x-amazon-apigateway-request-validators", {})
    schemes = document.get("components", {}).get("securitySchemes", {})
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            validator = operation.get("x-amazon-apigateway-request-validator")
            if validator is not None and validator not in defined:
                yield f"{method.upper()} {path}: there is no request validator {validator!r}"
            for scheme in {name for given in operation.get("security", ()) for name in given} - schemes.keys():
                yield f"{method.upper()} {path}: there is no security scheme {scheme!r}"


def template_problems(templates: dict[str, dict[str, Any]]) -> list[str]:
    """Why CloudFormation, or the service behind a resource, would refuse one of these templates; `root` is one of them."""
    problems: list[str] = []
    sizes = Sizes(templates["root"])
    unbounded: dict[str, None] = {}
    counts = {name: resource_count(template) for name, template in templates.items()}
    for name, template in templates.items():
        where = f"template {name}"
        size = len(json.dumps(template).encode())
        limited = (
            (counts[name], TEMPLATE_RESOURCES, "resources"),
            (len(template.get("Parameters", {})), TEMPLATE_PARAMETERS, "parameters"),
            (len(template.get("Outputs", {})), TEMPLATE_OUTPUTS, "outputs"),
            (size, TEMPLATE_BYTES, "bytes"),
            (len(template.get("Description", "").encode()), DESCRIPTION_BYTES, "bytes of description"),
        )
        problems += [f"{where}: {has:,} {what}, {most:,} at most" for has, most, what in limited if has > most]
        for logical, resource in template["Resources"].items():
            if not re.fullmatch(r"[A-Za-z0-9]{1,255}", logical):
                problems.append(f"{where}: {logical!r}: a logical id has letters and digits, 255 at most")
            defaults = template.get("Globals", {}).get("Function", {})
            found = _resource_problems(resource, defaults, sizes)
            problems += [f"{where}: {logical}: {problem}" for problem in found]
            if resource["Type"] == "AWS::Serverless::Function":
                variables = _variables(resource["Properties"], defaults)
                unbounded |= {name: None for name, value in variables.items() if sizes.of(value) is None}
    problems += [f"variable {name} has no longest value: give its parameter a MaxLength" for name in unbounded]
    if (total := sum(counts.values())) > OPERATION_RESOURCES:
        problems.append(f"{total:,} resources in all stacks, {OPERATION_RESOURCES:,} at most in one deployment")
    return problems


def resource_count(template: dict[str, Any]) -> int:
    """Resources after SAM has expanded the template: a role a function, a schedule and its role, a mapping."""
    count = 0
    for resource in template["Resources"].values():
        count += 1
        if resource["Type"] == "AWS::Serverless::Function":
            events = resource["Properties"].get("Events", {}).values()
            count += 1 + sum(2 if event["Type"] == "ScheduleV2" else 1 for event in events)
            count += "EventInvokeConfig" in resource["Properties"]
        elif resource["Type"] == "AWS::Serverless::Api":
            count += 2
    return count


class Sizes:
    """How long a value of a template may become. A parameter counts with its longest allowed value."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._parameters = root.get("Parameters", {})
        self._handed_down = {
            name: value
            for resource in root["Resources"].values()
            if resource["Type"] == "AWS::CloudFormation::Stack"
            for name, value in resource["Properties"].get("Parameters", {}).items()
            if value != {"Ref": name}
        }

    def of(self, value: Any) -> int | None:
        """Characters at most; None if nothing bounds them."""
        if isinstance(value, dict) and len(value) == 1:
            [(function, argument)] = value.items()
            if function == "Ref":
                return self._of_name(argument)
            if function == "Fn::Sub" and isinstance(argument, str):
                names = re.findall(r"\$\{([\w:.]+)\}", argument)
                lengths = [self._of_name(name) for name in names]
                fixed = len(re.sub(r"\$\{[\w:.]+\}", "", argument))
                return None if None in lengths else fixed + sum(filter(None, lengths))
            if function == "Fn::If":
                branches = [self.of(branch) for branch in argument[1:]]
                return None if None in branches else max(filter(None, branches), default=0)
            if function == "Fn::GetAtt":
                return 256
        return len(str(value))

    def _of_name(self, name: str) -> int | None:
        if name in LONGEST:
            return LONGEST[name]
        if name in self._handed_down:
            return self.of(self._handed_down[name])
        parameter = self._parameters.get(name)
        if parameter is None:
            return None
        if parameter.get("Type") == "Number":
            return NUMBER
        if allowed := parameter.get("AllowedValues"):
            return max(len(str(choice)) for choice in allowed)
        longest: int | None = parameter.get("MaxLength")
        return longest


def _resource_problems(resource: dict[str, Any], defaults: dict[str, Any], sizes: Sizes) -> Iterator[str]:
    properties = resource.get("Properties", {})
    kind = resource["Type"]
    named = {
        "AWS::Serverless::Function": ("FunctionName", FUNCTION_NAME),
        "AWS::SQS::Queue": ("QueueName", QUEUE_NAME),
        "AWS::Logs::LogGroup": ("LogGroupName", LOG_GROUP_NAME),
    }
    if kind in named:
        name, most = named[kind]
        if name in properties and (length := sizes.of(properties[name]) or 0) > most:
            yield (
                f"{name} has up to {length} characters with a stack's name of {LONGEST_STACK_NAME}; AWS allows {most}"
            )
    if kind == "AWS::Serverless::Function":
        yield from _function_problems(properties, defaults, sizes)


def _function_problems(properties: dict[str, Any], defaults: dict[str, Any], sizes: Sizes) -> Iterator[str]:
    layers = len(defaults.get("Layers", [])) + len(properties.get("Layers", []))
    if layers > FUNCTION_LAYERS:
        yield f"{layers} layers; a function has {FUNCTION_LAYERS}"
    for name, most in (("Description", FUNCTION_DESCRIPTION), ("Handler", HANDLER), ("InlineCode", INLINE_CODE)):
        if len(properties.get(name, "")) > most:
            yield f"{name} has more than {most} characters"
    for event in properties.get("Events", {}).values():
        if event["Type"] == "ScheduleV2" and (length := sizes.of(event["Properties"]["Name"]) or 0) > SCHEDULE_NAME:
            yield f"its schedule's name has up to {length} characters; AWS allows {SCHEDULE_NAME}"
    yield from _environment_problems(properties, defaults, sizes)
    yield from _policy_problems(properties, sizes)


def _environment_problems(properties: dict[str, Any], defaults: dict[str, Any], sizes: Sizes) -> Iterator[str]:
    total = 2
    for name, value in _variables(properties, defaults).items():
        if name in RESERVED_VARIABLES or not VARIABLE_NAME.fullmatch(name):
            yield f"Lambda takes no environment variable {name}"
        total += len(name) + (sizes.of(value) or 0) + len('"":"",')
    if total > ENVIRONMENT_BYTES:
        yield f"its environment may have {total:,} bytes; Lambda takes {ENVIRONMENT_BYTES:,}"


def _variables(properties: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for given in (defaults, properties) for name, value in _environment(given).items()}


def _environment(properties: dict[str, Any]) -> dict[str, Any]:
    variables: dict[str, Any] = properties.get("Environment", {}).get("Variables", {})
    return variables


def _policy_problems(properties: dict[str, Any], sizes: Sizes) -> Iterator[str]:
    total = 0
    for policy in properties.get("Policies", []):
        if isinstance(policy, dict):
            total += len(json.dumps(_resolved(policy, sizes), separators=(",", ":")))
    if total > INLINE_POLICY_BYTES:
        yield f"its policies may have {total:,} characters; a role takes {INLINE_POLICY_BYTES:,} of inline policies"


def _resolved(node: Any, sizes: Sizes) -> Any:
    """`node` with each reference replaced by text that is as long as its value may become."""
    if isinstance(node, dict):
        if len(node) == 1 and next(iter(node)) in ("Ref", "Fn::Sub", "Fn::GetAtt", "Fn::If"):
            return "x" * (sizes.of(node) or 256)
        return {key: _resolved(value, sizes) for key, value in node.items()}
    if isinstance(node, list):
        return [_resolved(item, sizes) for item in node]
    return node


def stack_name_problem(stack: str) -> str | None:
    """Why a stack of this name would fail half-way through its creation."""
    if len(stack) > LONGEST_STACK_NAME:
        return f"STACK has {len(stack)} characters; {LONGEST_STACK_NAME} at most, it is a part of every function's name"
    if not STACK_NAME.fullmatch(stack):
        return f"STACK is {stack!r}; it has small letters, digits and hyphens, and begins with a letter"
    return None
