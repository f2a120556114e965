"""Secrets in AWS Systems Manager's Parameter Store, each the parameter `/<prefix>/<name>`, encrypted with the account's own key.

Standard parameters are free; a secret of Secrets Manager is $0.40 a month. What is kept here are the keys that the installation makes
for itself: small, read seldom, and replaced by its own command. A standard parameter has 4 KB at most, and an account's standard
throughput is 40 reads a second, which botocore's retries spread.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from agnes.kernel.errors import UnavailableError
from agnes.kernel.ports import Secret, Secrets

NAMES = frozenset({"signing", "second_factor"})
"""Secrets that are kept here; all others are in Secrets Manager. What a role may do follows from it (infra/policies.py)."""
_MISSING = "ParameterNotFound"


class ParameterStore:
    """boto3 is imported and its client made at the first call. Raises UnavailableError."""

    def __init__(self, *, prefix: str, endpoint_url: str | None = None) -> None:
        self._prefix = prefix
        self._endpoint_url = endpoint_url

    @cached_property
    def _client(self) -> Any:
        import boto3

        return boto3.client("ssm", endpoint_url=self._endpoint_url)

    def get(self, name: str) -> Secret | None:
        answer = self._call("get_parameter", name, unless=_MISSING, WithDecryption=True)
        return None if answer is None else Secret(answer["Parameter"]["Value"])

    def put(self, name: str, secret: Secret) -> None:
        self._call("put_parameter", name, Value=secret.value, Type="SecureString", Overwrite=True)

    def add(self, name: str, secret: Secret) -> Secret:
        found = self.get(name)
        if found is not None:
            return found
        added = self._call(
            "put_parameter",
            name,
            unless="ParameterAlreadyExists",
            Value=secret.value,
            Type="SecureString",
            Overwrite=False,
        )
        return secret if added is not None else self.get(name) or secret

    def remove(self, name: str) -> None:
        self._call("delete_parameter", name, unless=_MISSING)

    def names(self) -> tuple[str, ...]:
        from botocore.exceptions import BotoCoreError, ClientError

        start = f"/{self._prefix}/"
        try:
            pages = self._client.get_paginator("get_parameters_by_path").paginate(Path=start[:-1], Recursive=True)
            return tuple(held["Name"].removeprefix(start) for page in pages for held in page["Parameters"])
        except (BotoCoreError, ClientError) as error:
            raise _unavailable(f"{start}*", error) from error

    def _call(self, operation: str, name: str, *, unless: str = "", **arguments: Any) -> dict[str, Any] | None:
        """AWS's answer, None for the error `unless`."""
        from botocore.exceptions import BotoCoreError, ClientError

        full_name = f"/{self._prefix}/{name}"
        try:
            answer: dict[str, Any] = getattr(self._client, operation)(Name=full_name, **arguments)
            return answer
        except (BotoCoreError, ClientError) as error:
            if _code(error) == unless:
                return None
            raise _unavailable(full_name, error) from error


def _code(error: Exception) -> str:
    return getattr(error, "response", {}).get("Error", {}).get("Code") or type(error).__name__


def _unavailable(what: str, error: Exception) -> UnavailableError:
    """Names the kind of failure, and not AWS's own text, which may repeat what was sent."""
    return UnavailableError(f"Parameter Store failed for {what}: {_code(error)}")


class SecretsOfAws:
    """The installation's own keys in Parameter Store, all other secrets in Secrets Manager.

    A key that an earlier release left in Secrets Manager is read there until `add` or `put` has written the parameter; it is not removed,
    as functions of that release may still read it.
    """

    def __init__(self, parameters: Secrets, manager: Secrets) -> None:
        self._parameters = parameters
        self._manager = manager

    def get(self, name: str) -> Secret | None:
        if name not in NAMES:
            return self._manager.get(name)
        return self._parameters.get(name) or self._manager.get(name)

    def put(self, name: str, secret: Secret) -> None:
        (self._parameters if name in NAMES else self._manager).put(name, secret)

    def add(self, name: str, secret: Secret) -> Secret:
        if name not in NAMES:
            return self._manager.add(name, secret)
        return self._parameters.get(name) or self._parameters.add(name, self._manager.get(name) or secret)

    def remove(self, name: str) -> None:
        if name in NAMES:
            self._parameters.remove(name)
        self._manager.remove(name)

    def names(self) -> tuple[str, ...]:
        return tuple({*self._parameters.names(), *self._manager.names()})
