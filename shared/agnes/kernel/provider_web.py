"""The port of identity providers and directories: small JSON answers over connections that we judge.

    ProviderUnreachable  503   no answer in time, or the provider is out of order; try again
    ProviderRefused      502   it answered with a refusal, or with something else than JSON
    └── ProviderBlocked        we do not go there (settings: OIDC_ALLOW)

Messages quote nothing of an answer but a provider's error code: bodies hold tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from agnes.kernel.errors import AgnesError, UnavailableError
from agnes.kernel.ports import Secret


class ProviderUnreachable(UnavailableError):
    code = "identity_provider_unreachable"


class ProviderRefused(AgnesError):
    status = 502
    code = "identity_provider_refused"


class ProviderBlocked(ProviderRefused):
    code = "identity_provider_blocked"


class ProviderWeb(Protocol):
    """Neither verb follows a redirect. Raises the family above."""

    def get(self, url: str, *, bearer: Secret | None = None) -> dict[str, Any]: ...

    def post_form(
        self, url: str, fields: Mapping[str, str], *, basic: tuple[str, Secret] | None = None
    ) -> dict[str, Any]: ...
