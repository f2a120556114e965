"""Makes LocalStack's REST APIs treat headers, gateway responses and authorizers as API Gateway does.

LocalStack 4.12 passes `WWW-Authenticate` of a function on, does not read the gateway responses of an API's document and
answers for itself without their headers and bodies, and calls no Lambda authorizer. What is done instead: `gateway_rules.py`.
"""

from __future__ import annotations

import functools
import json
import re
import time
from typing import Any

from localstack.runtime import hooks

from agnes_lambda_executor import gateway_rules

_decisions: dict[tuple[str, tuple[str, ...]], tuple[float, dict[str, Any]]] = {}
"""Policies of authorizers by authorizer and identity, each with the monotonic time at which it ends."""


@hooks.on_infra_start()
def behave_as_api_gateway() -> None:
    from localstack.services.apigateway import helpers
    from localstack.services.apigateway.legacy import provider
    from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
        build_gateway_response,
        get_gateway_response_or_default,
    )
    from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import GatewayExceptionHandler
    from localstack.services.apigateway.next_gen.execute_api.handlers.method_request import MethodRequestHandler
    from localstack.services.apigateway.next_gen.execute_api.handlers.method_response import MethodResponseHandler

    transform = MethodResponseHandler._transform_headers
    validate = MethodRequestHandler.__call__
    respond = GatewayExceptionHandler.create_exception_response

    def transform_headers(headers: Any, integration_type: Any) -> None:
        if integration_type == "AWS_PROXY":
            _replace(headers, gateway_rules.answered(headers))
        transform(headers, integration_type)

    @functools.wraps(validate)
    def authorize_first(self: Any, chain: Any, context: Any, response: Any) -> None:
        _authorize(context)
        validate(self, chain, context, response)
        headers = context.invocation_request["headers"]
        if context.resource_method["methodIntegration"]["type"] == "AWS_PROXY":
            _refuse(context)
            _replace(headers, gateway_rules.handed_over(headers))

    @functools.wraps(respond)
    def respond_as_declared(self: Any, exception: Any, context: Any) -> Any:
        answer = respond(self, exception, context)
        declared = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses)
        if template := (declared.get("responseTemplates") or {}).get("application/json"):
            answer.set_data(gateway_rules.gateway_body(template, context.context_variables))
        for name, value in gateway_rules.gateway_headers(declared.get("responseParameters")):
            answer.headers[name] = value
        return answer

    imports = provider.import_api_from_openapi_spec

    @functools.wraps(imports)
    def import_with_responses(rest_api: Any, context: Any, open_api_spec: dict[str, Any], mode: Any) -> Any:
        done = imports(rest_api, context, open_api_spec, mode)
        container = helpers.get_rest_api_container(context, rest_api_id=rest_api.id)
        for kind, declared in open_api_spec.get("x-amazon-apigateway-gateway-responses", {}).items():
            container.gateway_responses[kind] = build_gateway_response(
                response_type=kind,
                status_code=declared.get("statusCode"),
                response_parameters=declared.get("responseParameters"),
                response_templates=declared.get("responseTemplates"),
                default_response=False,
            )
        return done

    provider.import_api_from_openapi_spec = import_with_responses
    MethodResponseHandler._transform_headers = staticmethod(transform_headers)
    MethodRequestHandler.__call__ = authorize_first
    GatewayExceptionHandler.create_exception_response = respond_as_declared


def _replace(headers: Any, pairs: gateway_rules.Pairs) -> None:
    """Put these in place of all headers there are."""
    headers.clear()
    for name, value in pairs:
        headers.add(name, value)


def _refuse(context: Any) -> None:
    from localstack.services.apigateway.next_gen.execute_api.gateway_response import BadRequestException

    if names := gateway_rules.refused(context.request.headers):
        raise BadRequestException(f"{', '.join(names)} is not supported")


def _authorize(context: Any) -> None:
    """Ask the method's Lambda authorizer, as the API's document says. Raises LocalStack's gateway exceptions."""
    from localstack.services.apigateway.next_gen.execute_api import gateway_response as answers

    method = context.resource_method
    if method.get("authorizationType") != "CUSTOM":
        return
    authorizer = context.deployment.rest_api.authorizers[method["authorizerId"]]
    who = gateway_rules.identity(authorizer.get("identitySource") or "", context.request.headers)
    if who is None:
        raise answers.UnauthorizedError("Unauthorized")
    arn = (
        f"arn:aws:execute-api:{context.region}:{context.account_id}:{context.api_id}/{context.stage}/"
        f"{context.request.method}/{context.resource['path'].lstrip('/')}"
    )
    if not gateway_rules.allows(_decision(context, authorizer, who, arn), arn):
        raise answers.AccessDeniedError("User is not authorized to access this resource")


def _decision(context: Any, authorizer: dict[str, Any], who: tuple[str, ...], arn: str) -> dict[str, Any]:
    """The authorizer's policy, asked for once in its time to live."""
    key = (authorizer["id"], who)
    until, policy = _decisions.get(key, (0.0, {}))
    if time.monotonic() < until:
        return policy
    from localstack.aws.connect import connect_to

    function = re.search(r"/functions/(arn:.+)/invocations$", authorizer["authorizerUri"])[1]
    client = connect_to(region_name=context.region, aws_access_key_id=context.account_id).lambda_
    event = {"type": "REQUEST", "methodArn": arn, "headers": dict(context.request.headers)}
    answer = client.invoke(FunctionName=function, Payload=json.dumps(event))
    policy = json.loads(answer["Payload"].read())["policyDocument"]
    seconds = authorizer.get("authorizerResultTtlInSeconds")
    _decisions[key] = (time.monotonic() + (300 if seconds is None else int(seconds)), policy)
    return policy
