"""Makes the binary media type `*/*` of a REST API mean what it means on AWS; LocalStack 4.12 passes over it.

With it, every request body reaches a function in base64, and an answer that says `isBase64Encoded` is
decoded whatever the Accept header says. git over HTTP depends on both.
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-payload-encodings-workflow.html
"""

from __future__ import annotations

import base64
from typing import Any

from localstack.runtime import hooks


@hooks.on_infra_start()
def honour_all_binary_types() -> None:
    from localstack.services.apigateway.next_gen.execute_api.integrations import aws

    matches = aws.mime_type_matches_binary_media_types
    create_event = aws.RestApiAwsProxyIntegration.create_lambda_input_event

    def matches_all(mime_type: str | None, binary_media_types: list[str]) -> bool:
        return "*/*" in binary_media_types or matches(mime_type, binary_media_types)

    def encode_body(self: Any, context: Any) -> dict[str, Any]:
        event = create_event(self, context)
        everything = "*/*" in context.deployment.rest_api.rest_api.get("binaryMediaTypes", [])
        if everything and event["body"] and not event["isBase64Encoded"]:
            event |= {"body": base64.b64encode(event["body"].encode()).decode(), "isBase64Encoded": True}
        return event

    aws.mime_type_matches_binary_media_types = matches_all
    aws.RestApiAwsProxyIntegration.create_lambda_input_event = encode_body
