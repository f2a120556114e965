"""Jobs on AWS: an asynchronous invocation of the job's own function."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from agnes.kernel.errors import UnavailableError


class LambdaJobs:
    """`prefix` and a function's name make the deployed function's name. boto3 is imported by the first call."""

    def __init__(self, *, prefix: str, endpoint_url: str | None = None, client: Any = None) -> None:
        self._prefix = prefix
        self._endpoint_url = endpoint_url
        self._made = client

    def start(self, function: str, event: Mapping[str, Any]) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.invoke(
                FunctionName=f"{self._prefix}{function}", InvocationType="Event", Payload=json.dumps(event).encode()
            )
        except (BotoCoreError, ClientError) as exc:
            raise UnavailableError(f"the function {function} could not be started: {type(exc).__name__}") from exc
        if answer["StatusCode"] != 202:
            raise UnavailableError(f"the function {function} could not be started: {answer['StatusCode']}")

    @property
    def _client(self) -> Any:
        if self._made is None:
            import boto3
            from botocore.config import Config

            once = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2})
            self._made = boto3.client("lambda", endpoint_url=self._endpoint_url, config=once)
        return self._made
