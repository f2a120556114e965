"""What a function on Lambda writes of a request, as its runtime formats it, and that LOG_LEVEL is obeyed there."""

from __future__ import annotations

import base64
import json
import time

import pytest

from agnes_local.cloud import Deployment, client

pytestmark = [pytest.mark.localstack, pytest.mark.timeout(600)]

FUNCTION = "ops-get_version"
EVENT = {
    "resource": "/api/version",
    "path": "/api/version",
    "httpMethod": "GET",
    "headers": {"X-Request-Id": "from-a-proxy"},
    "multiValueHeaders": {"X-Request-Id": ["from-a-proxy"]},
    "multiValueQueryStringParameters": None,
    "pathParameters": None,
    "stageVariables": None,
    "body": None,
    "isBase64Encoded": False,
    "requestContext": {
        "resourcePath": "/api/version",
        "httpMethod": "GET",
        "path": "/prod/api/version",
        "stage": "prod",
        "requestId": "of-api-gateway",
        "identity": {"sourceIp": "192.0.2.7"},
    },
}


def lines(deployment: Deployment) -> list[dict]:
    """JSON lines that one invocation leaves."""
    functions = client("lambda", deployment.endpoint)
    answer = functions.invoke(FunctionName=f"{deployment.stack}-{FUNCTION}", Payload=json.dumps(EVENT), LogType="Tail")
    assert json.loads(answer["Payload"].read())["statusCode"] == 200
    told = base64.b64decode(answer["LogResult"]).decode().splitlines()
    return [json.loads(line) for line in told if line.startswith("{")]


def test_a_request_is_one_json_line_until_the_level_leaves_it_out(deployment: Deployment) -> None:
    [line] = [line for line in lines(deployment) if line.get("logger") == "agnes.edge.request_line"]
    assert (line["level"], line["message"], line["status"]) == ("INFO", "GET /api/version", 200)
    assert (line["request_id"], line["api_request_id"]) == ("from-a-proxy", "of-api-gateway")
    assert line["requestId"] not in ("", "of-api-gateway"), "Lambda's own"

    functions, name = client("lambda", deployment.endpoint), f"{deployment.stack}-{FUNCTION}"
    said = functions.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert said["ApplicationLogLevel"] == "INFO"
    try:
        _set_level(functions, name, "WARN")
        assert [line for line in lines(deployment) if line.get("logger") == "agnes.edge.request_line"] == []
    finally:
        _set_level(functions, name, "INFO")


def _set_level(functions: object, name: str, level: str) -> None:
    """As the parameter LogLevel does at a deployment."""
    functions.update_function_configuration(
        FunctionName=name, LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": level}
    )
    until = time.monotonic() + 60
    while functions.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "InProgress":
        assert time.monotonic() < until
        time.sleep(0.2)
