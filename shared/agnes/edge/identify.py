"""Who is asking: a cookie, a bearer, HTTP Basic for git, the operator's token."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace

from agnes import wiring
from agnes.accounts import service as accounts
from agnes.edge.needs import Needs
from agnes.edge.origin import require_same_origin
from agnes.edge.request import Request
from agnes.edge.scopes import ScopeTooNarrow, is_open
from agnes.kernel.errors import DeniedError, UnauthenticatedError
from agnes.kernel.principal import SCHEDULER, Principal, Via
from agnes.kernel.scopes import Scope
from agnes.kernel.state import CURRENT_ACTOR, Actor

COOKIE = "access_token"


@dataclass(frozen=True)
class Credential:
    value: str
    from_cookie: bool = False
    from_basic: bool = False


def find_credential(request: Request, *, basic: bool) -> Credential | None:
    """The first credential of: Authorization header, cookie. Basic counts only where it is asked for."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    rest = rest.strip()
    if scheme.lower() == "bearer" and rest:
        return Credential(rest)
    if scheme.lower() == "basic" and basic:
        try:
            _, _, password = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Credential(password, from_basic=True) if password else None
    cookie = request.cookies.get(COOKIE)
    return Credential(cookie, from_cookie=True) if cookie else None


def identify(request: Request, needs: Needs, *, route_scope: Scope | None = None) -> Principal | None:
    """The principal, permitted as `needs` says; None only for PUBLIC routes without a credential.

    `route_scope` is the narrow scope that the route is part of. Raises UnauthenticatedError or DeniedError.
    """
    credential = find_credential(request, basic=needs is Needs.BASIC)
    if needs is Needs.PUBLIC and (credential is None or not credential.from_cookie):
        return None
    if credential is None:
        raise UnauthenticatedError("you are not signed in", code="missing_credential", hint="Sign in, or send a token.")
    settings = wiring.settings()
    if settings.is_operator_token(credential.value):
        if needs is not Needs.OPERATOR:
            raise DeniedError("the operator's token opens job routes only", code="operator_token_scope")
        return replace(SCHEDULER, via=Via.OPERATOR)
    try:
        who = accounts.identify(wiring.state(), wiring.store(), credential.value, now=wiring.clock().now())
    except UnauthenticatedError:
        if needs is Needs.PUBLIC:
            return None
        raise
    if credential.from_cookie:
        require_same_origin(request, public_host=settings.public_host)
        # A personal access token stays one, in whatever it is carried.
        if who.via is Via.LOGIN:
            who = replace(who, via=Via.SESSION)
    if who.via is Via.TOKEN:
        _note_use(who, request)
        if needs is Needs.PERSON:
            raise DeniedError(
                "a personal access token may not do this", code="interactive_login_required", hint="Sign in yourself."
            )
        if not is_open(who.scope, needs=needs, method=request.method, route_scope=route_scope):
            if needs is Needs.PUBLIC:
                return None
            raise ScopeTooNarrow(who.scope)
    elif needs is Needs.DIRECTORY:
        raise ScopeTooNarrow(who.scope, hint="Make a token of the scope scim.")
    if needs in (Needs.ADMIN, Needs.OPERATOR, Needs.DIRECTORY):
        who.require_admin()
    return who


def _note_use(who: Principal, request: Request) -> None:
    """When and from where the token was used; a place that is new is recorded in the audit."""
    now = wiring.clock().now()
    if accounts.note_use(wiring.store(), who.credential_id, ip=request.client_ip, now=now):
        actor = CURRENT_ACTOR.set(Actor(who.user_id, who.email, who.client_kind, request.client_ip, request.id))
        try:
            accounts.record_new_place(wiring.store(), who, ip=request.client_ip, now=now)
        finally:
            CURRENT_ACTOR.reset(actor)
