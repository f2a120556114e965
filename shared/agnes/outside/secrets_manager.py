"""Secrets in AWS Secrets Manager, each under `<prefix>/<name>`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Secret

_MISSING = "ResourceNotFoundException"


class SecretsManager:
    """boto3 is imported and its client made at the first call. Its retries are harmless: it gives every
    write a ClientRequestToken, which Secrets Manager takes once."""

    def __init__(self, *, prefix: str, endpoint_url: str | None = None) -> None:
        self._prefix = prefix
        self._endpoint_url = endpoint_url

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("secretsmanager", endpoint_url=self._endpoint_url)

    def get(self, name: str) -> Secret | None:
        found = self._if_there("get_secret_value", name)
        return None if found is None else Secret(found["SecretString"])

    def put(self, name: str, secret: Secret) -> None:
        put = self._if_there("put_secret_value", name, SecretString=secret.value)
        if put is None and not self._created(name, secret):
            self._call("put_secret_value", name, SecretString=secret.value)

    def add(self, name: str, secret: Secret) -> Secret:
        """Creating is what Secrets Manager does once; a read may see it a moment later only."""
        found = self.get(name)
        if found is not None:
            return found
        return secret if self._created(name, secret) else self._kept(name)

    def remove(self, name: str) -> None:
        """At once: a name may be used again, which a recovery window would forbid."""
        self._if_there("delete_secret", name, ForceDeleteWithoutRecovery=True)

    def names(self) -> tuple[str, ...]:
        from botocore.exceptions import BotoCoreError, ClientError

        start = self._id("")
        try:
            pages = self._client.get_paginator("list_secrets").paginate(Filters=[{"Key": "name", "Values": [start]}])
            found = [secret["Name"] for page in pages for secret in page["SecretList"]]
        except (ClientError, BotoCoreError) as error:
            raise self._unavailable("*", error) from error
        # The filter compares words without their capitals, and finds more than the prefix says.
        return tuple(name.removeprefix(start) for name in found if name.startswith(start))

    def _created(self, name: str, secret: Secret) -> bool:
        """False if there is one already."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._client.create_secret(Name=self._id(name), SecretString=secret.value)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceExistsException":
                return False
            raise self._unavailable(name, error) from error
        except BotoCoreError as error:
            raise self._unavailable(name, error) from error
        return True

    def _kept(self, name: str) -> Secret:
        kept = self._call("get_secret_value", name)
        return Secret(kept["SecretString"])

    def _call(self, operation: str, name: str, **arguments: Any) -> dict[str, Any]:
        """AWS's answer. Raises UnavailableError, also for a secret that is missing."""
        answer = self._if_there(operation, name, **arguments)
        if answer is None:
            raise UnavailableError(f"Secrets Manager failed for {self._id(name)}: {_MISSING}")
        return answer

    def _if_there(self, operation: str, name: str, **arguments: Any) -> dict[str, Any] | None:
        """AWS's answer, None if there is no such secret. Raises UnavailableError."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer: dict[str, Any] = getattr(self._client, operation)(SecretId=self._id(name), **arguments)
            return answer
        except ClientError as error:
            if error.response["Error"]["Code"] == _MISSING:
                return None
            raise self._unavailable(name, error) from error
        except BotoCoreError as error:
            raise self._unavailable(name, error) from error

    def _id(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def _unavailable(self, name: str, error: Exception) -> UnavailableError:
        """Names the secret and the kind of failure; AWS's own text may repeat what was sent."""
        code = getattr(error, "response", {}).get("Error", {}).get("Code") or type(error).__name__
        return UnavailableError(f"Secrets Manager failed for {self._id(name)}: {code}")
