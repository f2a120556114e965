"""The browser's side of signing in with an identity provider: addresses, cookies, and where a refusal is explained."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlencode

from agnes.directory import code_flow
from agnes.directory.code_flow import COOKIE_SECONDS, Begun, cookie_name, redirect_uri
from agnes.directory.discovery import Discovery
from agnes.directory.model import Provider
from agnes.kernel.cookies import set_cookie
from agnes.kernel.errors import AgnesError
from agnes.kernel.signing import Signing


def begin(
    provider: Provider, discovery: Discovery, signing: Signing, *, base_url: str, way_on: str, now: datetime
) -> Begun:
    """Raises ProviderUnreachable, ProviderRefused."""
    return code_flow.begin(
        provider, discovery, signing, redirect_uri=redirect_uri(base_url, provider.key), way_on=way_on, now=now
    )


def cookie(begun: Begun, *, base_path: str, secure: bool) -> str:
    path = f"{base_path}/auth/"
    return set_cookie(begun.cookie_name, begun.cookie_value, path=path, seconds=COOKIE_SECONDS, secure=secure)


def end_cookie(state: str, *, base_path: str, secure: bool) -> str:
    return set_cookie(cookie_name(state), "", path=f"{base_path}/auth/", seconds=0, secure=secure)


def refused_path(refused: AgnesError, way_on: str) -> str:
    return f"/login?{urlencode({'error': refused.code, 'next': way_on})}"
