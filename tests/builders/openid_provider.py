"""Identity providers: the real one of `localstack/oidc` as a process, and one in this process that can also do wrong."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderRefused, ProviderUnreachable

ISSUER = "https://login.example.com"
CLIENT = "agnes"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


def hash_half(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()[:16]).rstrip(b"=").decode()


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@dataclass
class FakeProvider:
    """A `ProviderWeb` that is the provider as well: no socket. `spoil` changes an ID token's claims before it is signed."""

    now: Callable[[], datetime]
    issuer: str = ISSUER
    key: Any = field(default_factory=lambda: KEY)
    published: Any = None
    """Its public keys; those of `key` if None."""
    claims: dict[str, Any] = field(default_factory=dict)
    spoil: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "RS256", "kid": "one"})
    metadata: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    userinfo_is_down: bool = False
    is_down: bool = False
    google_groups: Any = None
    """Pages of the Admin SDK's answer, or an error to raise."""
    asked: list[str] = field(default_factory=list)
    _requests: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, url: str) -> dict[str, str]:
        """What a person's browser brings back after signing in there."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self._requests)}"
        self._requests[code] = asked
        return {"code": code, "state": asked["state"]}

    def get(self, url: str, *, bearer: Secret | None = None) -> dict[str, Any]:
        self.asked.append(url)
        if self.is_down:
            raise ProviderUnreachable("the identity provider does not answer")
        if url.endswith("/.well-known/openid-configuration"):
            return {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                **self.metadata,
            }
        if url.endswith("/keys"):
            return {"keys": [(self.published or self.key).as_dict(private=False)]}
        if url.endswith("/userinfo"):
            assert bearer is not None
            if self.userinfo_is_down:
                raise ProviderUnreachable("the identity provider does not answer")
            return self.userinfo or {"sub": self.claims.get("sub", "subject-1")}
        if "admin.googleapis.com" in url:
            if isinstance(self.google_groups, Exception):
                raise self.google_groups
            return self.google_groups[1 if "pageToken" in url else 0]
        raise AssertionError(url)

    def post_form(
        self, url: str, fields: Mapping[str, str], *, basic: tuple[str, Secret] | None = None
    ) -> dict[str, Any]:
        if "oauth2.googleapis.com" in url and fields["grant_type"].startswith("urn:"):
            return {"access_token": "google-access"}
        asked = self._requests.pop(fields["code"], None)
        if asked is None:
            raise ProviderRefused("the identity provider answered 400 invalid_grant")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(fields["code_verifier"].encode()).digest()).rstrip(b"=")
        assert challenge.decode() == asked["code_challenge"]
        assert fields["redirect_uri"] == asked["redirect_uri"]
        assert basic == (CLIENT, Secret("shh"))
        at = int(self.now().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": "subject-1",
            "aud": CLIENT,
            "iat": at,
            "exp": at + 300,
            "nonce": asked["nonce"],
            "at_hash": hash_half("access-1"),
            "email": "Mira@Example.com",
            "email_verified": True,
            "name": "Mira",
            **self.claims,
        }
        claims = self.spoil({name: value for name, value in claims.items() if value is not None})
        token = (
            f"{_part(self.header)}.{_part(claims)}."
            if self.header["alg"] == "none"
            else jwt.encode(self.header, claims, self.key, algorithms=["RS256", "HS256"])
        )
        return {"access_token": "access-1", "token_type": "Bearer", "id_token": token}


@contextmanager
def real_provider(users: list[dict[str, Any]], redirect_uri: str) -> Iterator[str]:
    """The certified example server of zitadel/oidc with these people; its issuer."""
    from agnes_local.install import install_oidc
    from agnes_local.process import answers, clean_environment, free_port, running

    port = free_port()

    def environment(folder: Any) -> dict[str, str]:
        (folder / "users.json").write_text(json.dumps({user["ID"]: user for user in users}))
        return clean_environment(folder) | {
            "PORT": str(port),
            "REDIRECT_URI": redirect_uri,
            "USERS_FILE": str(folder / "users.json"),
        }

    issuer = f"http://localhost:{port}/"
    with running("oidc", lambda _folder: [str(install_oidc())], environment) as process:
        process.wait_ready(lambda: answers(f"{issuer}.well-known/openid-configuration"), 30)
        yield issuer
