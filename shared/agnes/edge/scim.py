"""`@scim_endpoint`: a route that a directory calls: a token of the scope `scim`, errors and answers in SCIM's JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

from agnes.edge.endpoint import Contract, RouteView, View, invoke, takes_request
from agnes.edge.needs import Needs
from agnes.edge.reply import Reply
from agnes.edge.request import Request
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope

SCIM_JSON = "application/scim+json"


@runtime_checkable
class Answered(Protocol):
    @property
    def body(self) -> Mapping[str, object] | None: ...

    @property
    def status(self) -> int: ...

    @property
    def location(self) -> str: ...


def scim_endpoint() -> Callable[[View], RouteView]:
    """Make a view a route of SCIM. The view returns a `directory.scim.Answer`."""

    def decorate(view: View) -> RouteView:
        contract = Contract("scim", Needs.DIRECTORY, scope=Scope.SCIM, takes_request=takes_request(view))

        def call(request: Request, who: Principal | None) -> Reply:
            answer = invoke(view, contract, request, who)
            if not isinstance(answer, Answered):
                raise TypeError(f"{view.__name__} answers a directory with a {type(answer).__name__}")
            headers = {"Location": answer.location} if answer.location else {}
            return Reply(answer.body, answer.status, headers, SCIM_JSON)

        return RouteView(view, contract, call, on_error=error_of_scim)

    return decorate


def error_of_scim(error: AgnesError, request: Request, who: Principal | None) -> Reply:  # noqa: ARG001 (pages show it)
    """RFC 7644, 3.12."""
    from agnes.directory.scim_errors import error_body

    headers = {"WWW-Authenticate": 'Bearer realm="agnes"'} if error.status == 401 else {}
    return Reply(error_body(error), error.status, headers, SCIM_JSON)
