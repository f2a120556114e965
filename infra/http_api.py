"""The same API as an HTTP API of API Gateway (apigatewayv2): less than a third of a REST API's price, and it renames no header.

What a REST API has and an HTTP API has not: answers of its own in our error shape (it says `{"message":"Not Found"}`), compression
(`agnes.edge.compression` does it), X-Ray, and a stage in the path. Payload format 1.0 is the REST API's event with `version` beside
it (docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html).
"""

from __future__ import annotations

from typing import Any

from infra.waited_for import ALIAS

INTEGRATION = "x-amazon-apigateway-integration"
INTEGRATIONS = "x-amazon-apigateway-integrations"
TIMEOUT_MS = 29_000
"""At most 30,000; a function has 28 s."""

CHALLENGING = ("GitLogin", "GitLoginLogs", "GitLoginPermission")
"""Of a REST API only: what a function challenges with reaches git as it is (docs/decisions/0099-the-gateway-challenges-git.md)."""

API, STAGE = "HttpApi", "HttpApiStage"
"""Logical ids: not the REST API's, since CloudFormation changes no resource's type."""


def document(rest: dict[str, Any]) -> dict[str, Any]:
    """The OpenAPI document of an HTTP API with the routes of a REST API's. Each function is one integration, however many
    routes it has: there may be 300, and that quota is never raised."""
    paths: dict[str, dict[str, Any]] = {}
    integrations: dict[str, Any] = {}
    for path, operations in rest["paths"].items():
        for method, operation in operations.items():
            uri = operation[INTEGRATION]["uri"]
            name = uri["Fn::Sub"].rpartition(":function:${AWS::StackName}-")[2].removesuffix("/invocations")
            name = name.removesuffix(f":{ALIAS}")
            integrations[name] = {
                "type": "AWS_PROXY",
                "httpMethod": "POST",
                "uri": uri,
                "payloadFormatVersion": "1.0",
                "timeoutInMillis": TIMEOUT_MS,
            }
            found: dict[str, Any] = {
                "responses": {"default": {"description": "What the function answers"}},
                INTEGRATION: {"$ref": f"#/components/{INTEGRATIONS}/{name}"},
            }
            if parameters := operation.get("parameters"):
                # A greedy variable is left out: API Gateway names it `proxy+` in what it exports, and declares it by itself.
                found["parameters"] = [one for one in parameters if f"{{{one['name']}}}" in path]
            paths.setdefault(path, {})[method] = found
    return {
        "openapi": rest["openapi"],
        "info": {**rest["info"], "title": {"Ref": "AWS::StackName"}},
        "paths": paths,
        "components": {INTEGRATIONS: dict(sorted(integrations.items()))},
    }


def rewrite(root: dict[str, Any], nested: dict[str, Any], rest: dict[str, Any]) -> None:
    """Put the HTTP API in the REST API's place, in the root stack and in what nested stacks are given."""
    resources, of_rest = root["Resources"], root["Resources"]["Api"]["Properties"]
    limits = of_rest["MethodSettings"][0]
    for logical in ("Api", *CHALLENGING):
        del resources[logical]
    resources[API] = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": document(rest)}}
    resources[STAGE] = {
        "Type": "AWS::ApiGatewayV2::Stage",
        "Properties": {
            "ApiId": {"Ref": API},
            "StageName": "$default",  # no part of the path
            "AutoDeploy": True,
            "AccessLogSettings": of_rest["AccessLogSetting"],
            "DefaultRouteSettings": {name: limits[name] for name in ("ThrottlingBurstLimit", "ThrottlingRateLimit")},
        },
    }
    address = {"Fn::Sub": f"https://${{{API}}}.execute-api.${{AWS::Region}}.${{AWS::URLSuffix}}"}
    url = {"Fn::If": ["HasServerUrl", {"Ref": "ServerUrl"}, address]}
    nested["Parameters"] |= {"ApiId": {"Ref": API}, "PublicUrl": url}
    root["Outputs"]["Url"]["Value"] = url
    root["Outputs"]["ApiId"] = {"Value": {"Ref": API}, "Description": "Id of the HTTP API"}
    root["Conditions"].pop("IsTraced", None)
