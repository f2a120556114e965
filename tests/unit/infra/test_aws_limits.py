"""What AWS refuses is refused before it is deployed. LocalStack would take every one of these."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from infra import aws_limits
from infra.aws_limits import LONGEST_STACK_NAME, document_problems, stack_name_problem, template_problems
from infra.compose import Composition

GET = {"get": {"responses": {}}}


def document(*paths: str, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.0.1", "paths": dict.fromkeys(paths, GET), **more}


@pytest.mark.parametrize(
    ("paths", "named"),
    [
        (("/grants/{grant_id}", "/grants/{id}/required"), "/grants: path variables beside each other"),
        (("/{id}", "/{name}/x"), "/: path variables beside each other"),
        (("/git/{id}", "/git/{path+}"), "/git: path variables beside each other"),
        (("/files/*",), "'*'"),
        (("/a b",), "'a b'"),
        (("/café",), "'café'"),
        (("/a~b",), "'a~b'"),
        (("/{id}.json",), "'{id}.json'"),
        (("/v{n}",), "'v{n}'"),
        (("/{}",), "'{}'"),
        (("/a/",), "no / at the end"),
        (("/a//b",), "empty path parts"),
        (("a/b",), "begins with /"),
        (("/ping",), "keeps this path"),
        (("/{path+}/after",), "takes all that follows"),
        (("/a/{id}/b/{id}",), "{id} is there twice"),
        (tuple(f"/p{number}" for number in range(300)), "301 path resources; a REST API has 300"),
    ],
)
def test_paths_that_api_gateway_refuses(paths: tuple[str, ...], named: str) -> None:
    [problem] = document_problems(document(*paths))
    assert named in problem


@pytest.mark.parametrize(
    "paths",
    [
        ("/", "/a", "/a/{id}", "/a/{id}/b", "/a/batch", "/b/{other}"),
        ("/marketplace.git/info/refs", "/.well-known/x_y:z-1", "/git/{path+}"),
        ("/pings", "/api/ping"),
    ],
)
def test_paths_that_it_takes(paths: tuple[str, ...]) -> None:
    assert document_problems(document(*paths)) == []


def test_more_routes_than_an_http_api_has() -> None:
    methods = {method: {"responses": {}} for method in ("get", "post", "put")}
    paths = {f"/p{number}": methods for number in range(101)}
    assert document_problems({"paths": paths}) == ["303 routes; an HTTP API has 300"]


def test_methods_responses_validators_and_schemes_that_are_not_there() -> None:
    given = {
        "paths": {
            "/a": {
                "trace": {"responses": {}},
                "get": {"x-amazon-apigateway-request-validator": "headers", "security": [{"nobody": []}]},
            }
        },
        "x-amazon-apigateway-gateway-responses": {"TEAPOT": {}},
    }
    assert sorted(document_problems(given)) == [
        "/a: API Gateway has no method 'trace'",
        "API Gateway has no gateway response TEAPOT",
        "GET /a: there is no request validator 'headers'",
        "GET /a: there is no security scheme 'nobody'",
    ]


def test_a_document_that_is_too_large_to_import() -> None:
    [problem] = document_problems(document("/a", info={"description": "x" * 7_000_000}))
    assert "API Gateway imports 6,291,456" in problem


@pytest.mark.parametrize(
    ("paths", "count"), [(["/"], 1), (["/a"], 2), (["/", "/a"], 2), (["/a/b", "/a/c", "/a"], 4), (["/a/{i}/b"], 4)]
)
def test_path_resources_are_counted_as_api_gateway_makes_them(paths: list[str], count: int) -> None:
    assert aws_limits.path_resources(paths) == count


def function(**properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::Serverless::Function", "Properties": {"FunctionName": "f", "Handler": "app.app"} | properties}


def root(*, parameters: dict[str, Any] | None = None, **resources: Any) -> dict[str, Any]:
    return {"root": {"Parameters": parameters or {}, "Resources": resources}}


LONG_NAME = {"Fn::Sub": "${AWS::StackName}-" + "n" * 44}
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": [{"Fn::Sub": "arn:aws:s3:::${Bucket}/x"}] * 130}


@pytest.mark.parametrize(
    ("templates", "named"),
    [
        (root(**{f"Q{n}": {"Type": "AWS::SQS::Queue"} for n in range(501)}), "501 resources, 500 at most"),
        # A function is also a role; with a schedule, that and its role, too.
        (root(**{f"F{n}": function() for n in range(251)}), "502 resources, 500 at most"),
        (root(parameters={f"P{n}": {"Type": "String"} for n in range(201)}), "201 parameters, 200 at most"),
        ({"root": {"Resources": {}, "Outputs": {f"O{n}": {} for n in range(201)}}}, "201 outputs, 200 at most"),
        ({"root": {"Resources": {}, "Metadata": "x" * 1_048_576}}, "bytes, 1,048,576 at most"),
        ({"root": {"Resources": {}, "Description": "ä" * 513}}, "1,026 bytes of description"),
        (root(any_grant=function()), "a logical id has letters and digits"),
        (root(F=function(FunctionName=LONG_NAME)), "FunctionName has up to 65 characters"),
        (root(F=function(Layers=["l"] * 6)), "6 layers; a function has 5"),
        (root(F=function(Handler="h" * 129)), "Handler has more than 128"),
        (root(F=function(InlineCode="x" * 4097)), "InlineCode has more than 4096"),
        (root(F=function(Description="d" * 257)), "Description has more than 256"),
        (root(F=function(Environment={"Variables": {"AWS_REGION": "x"}})), "takes no environment variable AWS_REGION"),
        (root(F=function(Environment={"Variables": {"A-B": "x"}})), "takes no environment variable A-B"),
        (root(F=function(Environment={"Variables": {"LONG": "x" * 4096}})), "Lambda takes 4,096"),
        (
            root(F=function(Environment={"Variables": {"OPEN": {"Ref": "Open"}}}), parameters={"Open": {"Type": "String"}}),
            "variable OPEN has no longest value",
        ),
        (root(F=function(Policies=[{"Statement": [STATEMENT]}])), "a role takes 10,240"),
        (
            root(F=function(Events={"S": {"Type": "ScheduleV2", "Properties": {"Name": LONG_NAME}}})),
            "its schedule's name has up to 65",
        ),
        (root(Q={"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "q" * 81}}), "QueueName has up to 81"),
        (
            {f"{'root' if n == 0 else n}": root(**{f"Q{m}": {"Type": "AWS::SQS::Queue"} for m in range(450)})["root"] for n in range(6)},
            "2,700 resources in all stacks",
        ),
    ],
)  # fmt: skip
def test_templates_that_aws_refuses(templates: dict[str, Any], named: str) -> None:
    [problem] = template_problems(templates)
    assert named in problem


def test_a_nested_stacks_values_are_those_that_it_is_given() -> None:
    """A parameter that the root fills from its own is bounded by that one."""
    nested = {
        "Parameters": {"Given": {"Type": "String"}},
        "Resources": {"F": function(Environment={"Variables": {"GIVEN": {"Ref": "Given"}}})},
    }
    given = {"Fn::If": ["Whether", {"Ref": "Url"}, {"Fn::Sub": "https://${Api}.example"}]}
    stack = {"Type": "AWS::CloudFormation::Stack", "Properties": {"Parameters": {"Given": given}}}
    templates = root(parameters={"Url": {"Type": "String", "MaxLength": 200}}, Nested=stack) | {"nested": nested}
    assert template_problems(templates) == []
    templates["root"]["Parameters"]["Url"]["MaxLength"] = 5000
    [problem] = template_problems(templates)
    assert problem.startswith("template nested: F: its environment may have 5,0")


def test_what_is_composed_is_taken(composition: Composition) -> None:
    assert document_problems(composition.api) == []
    assert template_problems(composition.templates) == []
    broken = copy.deepcopy(composition.api)
    broken["paths"]["/api/admin/grants/{other}/required"] = GET
    assert len(document_problems(broken)) == 1


@pytest.mark.parametrize("stack", ["agnes", "a", "agnes-test-2", "a" * LONGEST_STACK_NAME])
def test_names_of_stacks(stack: str) -> None:
    assert stack_name_problem(stack) is None


@pytest.mark.parametrize("stack", ["", "Agnes", "1agnes", "agnes_eu", "a" * (LONGEST_STACK_NAME + 1)])
def test_names_of_stacks_that_fail_half_way(stack: str) -> None:
    assert stack_name_problem(stack)
