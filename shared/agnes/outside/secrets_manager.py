"""Secrets in AWS Secrets Manager, each under `<prefix>/<name>`."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Secret


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
        found = self._call("get_secret_value", name, absent_is_fine=True)
        return None if found is None else Secret(found["SecretString"])

    def put(self, name: str, secret: Secret) -> None:
        put = self._call("put_secret_value", name, absent_is_fine=True, SecretString=secret.value)
        if put is None and not self._created(name, secret):
            self._call("put_secret_value", name, absent_is_fine=False, SecretString=secret.value)

    def add(self, name: str, secret: Secret) -> Secret:
        """Creating is what Secrets Manager does once; a read may see it a moment later only."""
        found = self.get(name)
        if found is not None:
            return found
        return secret if self._created(name, secret) else self._kept(name)

    def remove(self, name: str) -> None:
        """At once: a name may be used again, which a recovery window would forbid."""
        self._call("delete_secret", name, absent_is_fine=True, ForceDeleteWithoutRecovery=True)

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
        return Secret(self._call("get_secret_value", name, absent_is_fine=False)["SecretString"])

    def _call(self, operation: str, name: str, *, absent_is_fine: bool, **arguments: Any) -> dict[str, Any] | None:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return getattr(self._client, operation)(SecretId=self._id(name), **arguments)
        except ClientError as error:
            if absent_is_fine and error.response["Error"]["Code"] == "ResourceNotFoundException":
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
