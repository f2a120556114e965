"""A provider's metadata (OpenID Connect Discovery 1.0) and keys (RFC 7517), remembered by the process."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from agnes.kernel.ports import Clock
from agnes.kernel.provider_web import ProviderRefused, ProviderUnreachable, ProviderWeb

FRESH = timedelta(hours=1)
STALE = timedelta(days=1)
"""How long what was read is used while the provider does not answer."""
KEYS_AGAIN = timedelta(minutes=1)
"""How often, at most, keys are read again because a token names one that is not known."""


@dataclass(frozen=True, slots=True)
class Metadata:
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    token_auth_methods: tuple[str, ...]
    signing_algorithms: tuple[str, ...]
    answers_with_issuer: bool
    """RFC 9207: whether its redirects name the issuer."""


class Discovery:
    """Safe for several threads."""

    def __init__(self, web: ProviderWeb, clock: Clock) -> None:
        self._web = web
        self._clock = clock
        self._lock = threading.Lock()
        self._found: dict[str, tuple[datetime, dict[str, Any]]] = {}

    def metadata(self, issuer: str) -> Metadata:
        """Raises ProviderUnreachable, ProviderRefused."""
        raw = self._read(f"{issuer.rstrip('/')}/.well-known/openid-configuration", FRESH)
        named = raw.get("issuer")
        # Exactly the same by the standard; a slash at the end is what people leave out of settings.
        if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
            raise ProviderRefused(
                "the identity provider calls itself something else than OIDC_ISSUER", hint="Correct OIDC_ISSUER."
            )
        return Metadata(
            issuer=named,
            authorization_endpoint=_url(raw, "authorization_endpoint"),
            token_endpoint=_url(raw, "token_endpoint"),
            jwks_uri=_url(raw, "jwks_uri"),
            userinfo_endpoint=raw["userinfo_endpoint"] if isinstance(raw.get("userinfo_endpoint"), str) else "",
            token_auth_methods=_words(raw, "token_endpoint_auth_methods_supported", ("client_secret_basic",)),
            signing_algorithms=_words(raw, "id_token_signing_alg_values_supported", ("RS256",)),
            answers_with_issuer=raw.get("authorization_response_iss_parameter_supported") is True,
        )

    def keys(self, metadata: Metadata, *, renew: bool = False) -> dict[str, Any]:
        """The key set; with `renew` read anew, unless that was done a minute ago."""
        return self._read(metadata.jwks_uri, KEYS_AGAIN if renew else FRESH)

    def _read(self, url: str, fresh: timedelta) -> dict[str, Any]:
        now = self._clock.now()
        with self._lock:
            held = self._found.get(url)
        if held is not None and timedelta(0) <= now - held[0] < fresh:
            return held[1]
        try:
            answer = self._web.get(url)
        except ProviderUnreachable:
            if held is not None and timedelta(0) <= now - held[0] < STALE:
                return held[1]
            raise
        with self._lock:
            self._found[url] = now, answer
        return answer


def _url(raw: dict[str, Any], name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value:
        raise ProviderRefused(f"the identity provider's description has no {name}", hint="Check OIDC_ISSUER.")
    return value


def _words(raw: dict[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    value = raw.get(name)
    return tuple(str(word) for word in value) if isinstance(value, list) else default
