"""`@git_endpoint`: a route that git itself calls: Basic challenges, plain-text errors, gzipped bodies."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import NoReturn

from agnes.edge.endpoint import Ahead, Contract, RouteView, View, beside_people, invoke, takes_request
from agnes.edge.needs import Needs
from agnes.edge.reply import Reply
from agnes.edge.request import MAX_BODY_BYTES, Request
from agnes.kernel.errors import AgnesError, BadRequestError, DeniedError, TooLargeError
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

GZIP_MAGIC = b"\x1f\x8b"
REALM = 'Basic realm="agnes-marketplace"'


def git_endpoint(
    *, needs: Needs, scope: Scope | None = None, reads: Iterable[str] = (), ahead: Ahead | None = None
) -> Callable[[View], RouteView]:
    """Make a view that reads these state files a route of git's smart HTTP protocol. The view returns a Reply."""

    def decorate(view: View) -> RouteView:
        contract = Contract(
            "git", needs, scope=scope, reads=beside_people(reads), ahead=ahead, takes_request=takes_request(view)
        )

        def call(request: Request, who: Principal | None) -> Reply:
            reply = invoke(view, contract, request, who)
            if not isinstance(reply, Reply):
                raise TypeError(f"{view.__name__} answers a client of git with a {type(reply).__name__}, not a Reply")
            return reply

        return RouteView(view, contract, call, on_error=error_of_git)

    return decorate


def error_of_git(error: AgnesError, request: Request, who: Principal | None) -> Reply:  # noqa: ARG001 (pages show it)
    """Plain text, which git prints; a 401 makes it ask for a password, or fail where it may not ask."""
    hint = f" {error.hint}" if error.hint else ""
    headers = {"WWW-Authenticate": REALM} if error.status == 401 else {}
    return Reply(
        body=f"{error.message}.{hint} ({error.code}, {request.id})\n",
        status=error.status,
        headers=headers,
        content_type="text/plain; charset=utf-8",
    )


def protocol_version(request: Request) -> int:
    """2 if the client asks for it (`Git-Protocol: version=2`), else 0."""
    return 2 if "version=2" in request.headers.get("git-protocol", "").split(":") else 0


def plain_body(request: Request) -> bytes:
    """The body, inflated if git sent it gzipped. Raises TooLargeError before it grows out of bounds.

    Judged by its first bytes: a gateway may have inflated it and left the header, or taken the header away.
    """
    if not request.body.startswith(GZIP_MAGIC):
        return request.body
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        body = inflate.decompress(request.body, MAX_BODY_BYTES)
    except zlib.error as exc:
        raise BadRequestError("the body is not gzip", code="invalid_gzip") from exc
    if inflate.unconsumed_tail:
        raise TooLargeError(f"the body inflates to more than {MAX_BODY_BYTES} bytes")
    return body


def refuse_push() -> NoReturn:
    raise DeniedError(
        "marketplace.git cannot be pushed to", code="push_refused", hint="Upload to the flea market instead."
    )
