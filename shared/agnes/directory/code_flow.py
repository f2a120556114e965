"""OpenID Connect's authorization code flow with PKCE: where a browser is sent, and what comes back of it.

What must be remembered in between travels in a signed cookie of ten minutes that the browser keeps: `state` ties the answer
to this browser, `nonce` ties the ID token to this request, the verifier ties the code to both (RFC 7636).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from agnes.accounts.rules import is_email
from agnes.directory.discovery import Discovery, Metadata
from agnes.directory.model import Claims, Provider, SignOnRefused
from agnes.kernel.ports import Secret
from agnes.kernel.provider_web import ProviderRefused, ProviderUnreachable, ProviderWeb
from agnes.kernel.signing import Signing

COOKIE_PREFIX = "agnes_sso_"
COOKIE_SECONDS = 600
CLOCK_SKEW_SECONDS = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that are taken: neither `none` nor one that the client's own secret could make."""
MOST_GROUPS = 1_000
CALLBACKS_A_MINUTE = 30
"""From one address, which may be a whole office's: each costs the provider a request."""
_LONGEST = 255
"""Characters of a subject (OpenID Connect Core, 2) or of a group's name."""


@dataclass(frozen=True, slots=True)
class Begun:
    url: str
    """Where the browser goes."""
    cookie_name: str
    cookie_value: str


@dataclass(frozen=True, slots=True)
class Answered:
    """What the provider's redirect brought, and what was remembered for it."""

    claims: Claims
    way_on: str
    """The path that the browser was on its way to."""


def begin(
    provider: Provider, discovery: Discovery, signing: Signing, *, redirect_uri: str, way_on: str, now: datetime
) -> Begun:
    """Raises ProviderUnreachable, ProviderRefused."""
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    metadata = discovery.metadata(provider.issuer)
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    if provider.key == "google":
        # A hint to the account chooser; the claim of the same name is what counts.
        asked["hd"] = hosted_domain(provider)
    kept = {
        "provider": provider.key, "state": state, "nonce": nonce, "verifier": verifier, "next": way_on,
        "until": (now + timedelta(seconds=COOKIE_SECONDS)).isoformat(),
    }  # fmt: skip
    separator = "&" if "?" in metadata.authorization_endpoint else "?"
    url = f"{metadata.authorization_endpoint}{separator}{urlencode(asked)}"
    return Begun(url, cookie_name(state), _seal(kept, signing))


def hosted_domain(provider: Provider) -> str:
    """Google's `hd`: the one domain, or any hosted one."""
    return next(iter(provider.allowed_domains)) if len(provider.allowed_domains) == 1 else "*"


def redirect_uri(base_url: str, key: str) -> str:
    """The address that the provider must know for this client."""
    return f"{base_url}/auth/{key}/callback"


def cookie_name(state: str) -> str:
    """One cookie for each sign-in that is under way, so that two tabs do not end each other's."""
    return f"{COOKIE_PREFIX}{hashlib.sha256(state.encode('utf-8', 'replace')).hexdigest()[:12]}"


def finish(
    provider: Provider,
    discovery: Discovery,
    web: ProviderWeb,
    signing: Signing,
    *,
    query: Mapping[str, str],
    cookies: Mapping[str, str],
    redirect_uri: str,
    now: datetime,
) -> Answered:
    """Judge the provider's answer. Raises SignOnRefused, ProviderUnreachable, ProviderRefused."""
    state = query.get("state", "")
    kept = _opened(cookies.get(cookie_name(state), ""), signing)
    if (
        kept is None
        or not hmac.compare_digest(kept["state"].encode(), state.encode("utf-8", "replace"))
        or kept["provider"] != provider.key
        or datetime.fromisoformat(kept["until"]) <= now
    ):
        raise SignOnRefused("sign_on_expired", "this sign-in was begun elsewhere or too long ago", "Sign in again.")
    metadata = discovery.metadata(provider.issuer)
    issuer = query.get("iss")
    if (issuer is not None and issuer != metadata.issuer) or (issuer is None and metadata.answers_with_issuer):
        raise SignOnRefused("oauth_failed", "the answer is not of the identity provider that was asked")
    if query.get("error"):
        raise SignOnRefused("oauth_failed", "the identity provider did not sign you in")
    tokens = _redeem(
        provider, metadata, web, code=query.get("code", ""), verifier=kept["verifier"], redirect_uri=redirect_uri
    )
    proved = _verified(provider, metadata, discovery, tokens, nonce=kept["nonce"], now=now)
    proved, failed = _completed(provider, metadata, web, tokens, proved)
    claims = _claims(provider, proved)
    return Answered(replace(claims, groups_failed=True) if failed else claims, kept["next"])


def _redeem(
    provider: Provider, metadata: Metadata, web: ProviderWeb, *, code: str, verifier: str, redirect_uri: str
) -> dict[str, Any]:
    if not code:
        raise SignOnRefused("oauth_failed", "the identity provider's answer has no code")
    fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
    secret = provider.client_secret
    try:
        if secret is None:
            return web.post_form(metadata.token_endpoint, {**fields, "client_id": provider.client_id})
        if "client_secret_basic" in metadata.token_auth_methods:
            return web.post_form(metadata.token_endpoint, fields, basic=(provider.client_id, secret))
        by_form = {**fields, "client_id": provider.client_id, "client_secret": secret.value}
        return web.post_form(metadata.token_endpoint, by_form)
    except ProviderRefused as refused:
        # A code that was used or has expired is refused so: a page that was loaded again.
        raise SignOnRefused("oauth_failed", refused.message) from refused


def _verified(
    provider: Provider, metadata: Metadata, discovery: Discovery, tokens: dict[str, Any], *, nonce: str, now: datetime
) -> dict[str, Any]:
    """The claims of the ID token. Raises SignOnRefused."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    raw = tokens.get("id_token")
    if not isinstance(raw, str):
        raise SignOnRefused("oauth_failed", "the identity provider sent no ID token")
    allowed = [name for name in metadata.signing_algorithms if name in ALGORITHMS]
    if not allowed:  # joserfc would take its own choice instead, with signatures made by a shared secret among them
        raise SignOnRefused("oauth_failed", "the identity provider signs in no way that is taken here")
    problem: Exception | None = None
    for renew in (False, True):  # the provider may have a new key since
        try:
            keys = KeySet.import_key_set({"keys": discovery.keys(metadata, renew=renew)["keys"]})
            token = jwt.decode(raw, keys, algorithms=allowed)
            break
        except (JoseError, ValueError, KeyError, TypeError) as exc:
            problem = exc
    else:
        raise SignOnRefused("oauth_failed", "the identity provider's signature does not hold") from problem
    claims = CodeIDToken(
        token.claims,
        token.header,
        {"iss": {"essential": True, "value": metadata.issuer}, "aud": {"essential": True, "value": provider.client_id}},
        {"nonce": nonce, "client_id": provider.client_id, "access_token": tokens.get("access_token")},
    )
    try:
        claims.validate(int(now.timestamp()), CLOCK_SKEW_SECONDS)
    except (JoseError, ValueError, TypeError, AttributeError) as exc:
        raise SignOnRefused("oauth_failed", "the identity provider's ID token is not for this sign-in") from exc
    audience = claims["aud"]
    if isinstance(audience, list) and set(audience) != {provider.client_id} and claims.get("azp") != provider.client_id:
        raise SignOnRefused("oauth_failed", "the identity provider's ID token is for others, too")
    return dict(claims)


def _completed(
    provider: Provider, metadata: Metadata, web: ProviderWeb, tokens: dict[str, Any], proved: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """The claims with what the ID token left to the userinfo endpoint, and whether groups could not be asked for there.

    Raises SignOnRefused, ProviderUnreachable, ProviderRefused.
    """
    access = tokens.get("access_token")
    wants_address = "email" not in proved or "email_verified" not in proved
    wants_groups = provider.groups is not None and provider.key == "oidc" and provider.groups_claim not in proved
    if not metadata.userinfo_endpoint or not isinstance(access, str) or not (wants_address or wants_groups):
        return proved, False
    try:
        more = web.get(metadata.userinfo_endpoint, bearer=Secret(access))
    except (ProviderUnreachable, ProviderRefused):
        if wants_address:
            raise
        return proved, True
    if more.get("sub") != proved["sub"]:  # OpenID Connect Core, 5.3.2
        raise SignOnRefused("oauth_failed", "the identity provider described somebody else")
    return {**more, **proved}, False


def _claims(provider: Provider, proved: Mapping[str, Any]) -> Claims:
    subject, email, name = proved.get("sub"), proved.get("email"), proved.get("name")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST:
        raise SignOnRefused("oauth_failed", "the identity provider names no subject")
    if not isinstance(email, str) or not is_email(email.strip().lower()):
        raise SignOnRefused("no_email", "the identity provider does not tell your e-mail address")
    email = email.strip().lower()
    verified = proved.get("email_verified")
    # AWS Cognito sends it as text.
    if not (verified in (True, "true") or (verified is None and provider.trust_addresses)):
        raise SignOnRefused("email_unverified", f"{email} is not verified at your identity provider")
    domain = email.rpartition("@")[2]
    if provider.allowed_domains and domain not in provider.allowed_domains:
        raise SignOnRefused("domain_not_allowed", f"addresses of {domain} may not sign in here")
    if provider.key == "google" and str(proved.get("hd", "")).lower() not in provider.allowed_domains:
        # Without it an account is a private one, whatever address it has: nobody could end it for this organisation.
        raise SignOnRefused("domain_not_allowed", f"{email} is not an account of this organisation at Google")
    groups, failed = _groups(provider, proved)
    shown = name if isinstance(name, str) and name.strip() else email.partition("@")[0]
    return Claims(str(proved["iss"]), subject, email, shown.strip()[:200], groups, failed)


def _groups(provider: Provider, proved: Mapping[str, Any]) -> tuple[tuple[str, ...] | None, bool]:
    """(the names in the groups claim, whether they could not be had). A claim that is missing says nothing; an empty one
    says that there are none; one of another shape, or that only points elsewhere (too many groups), has failed."""
    if provider.key != "oidc" or provider.groups is None:
        return None, False
    value = proved.get(provider.groups_claim)
    if value is None:
        elsewhere = proved.get("_claim_names")
        return None, isinstance(elsewhere, dict) and provider.groups_claim in elsewhere
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list) or len(value) > MOST_GROUPS:
        return None, True
    if not all(isinstance(each, str) and 0 < len(each.strip()) <= _LONGEST for each in value):
        return None, True
    return tuple(dict.fromkeys(each.strip() for each in value)), False


def _seal(kept: dict[str, str], signing: Signing) -> str:
    body = base64.urlsafe_b64encode(json.dumps(kept).encode()).decode().rstrip("=")
    return f"{body}.{signing.sign(f'sso.{body}')}"


def _opened(cookie: str, signing: Signing) -> dict[str, str] | None:
    body, _, signature = cookie.rpartition(".")
    if not body or not signing.holds(f"sso.{body}", signature):
        return None
    kept: dict[str, str] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return kept
