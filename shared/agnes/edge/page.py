"""`@page`: a route that answers a rendered page.

The view returns a page object: a frozen dataclass with a class attribute `template`, the file
below `templates/` that renders it, and `title`. A Reply is passed through. A page that loads something from elsewhere
says so in `content_policy`, directives that are added to the Content-Security-Policy of this one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from urllib.parse import urlencode

import pydantic

from agnes import wiring
from agnes.edge import notice
from agnes.edge.endpoint import Ahead, Contract, RouteView, View, beside_people, invoke, takes_request
from agnes.edge.errors import CORRECT_FIELDS
from agnes.edge.needs import Needs
from agnes.edge.refused import NOT_SENT, Refused
from agnes.edge.render import ErrorPage, render
from agnes.edge.reply import CONTENT_SECURITY_POLICY, Redirect, Reply
from agnes.edge.request import Request
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal

WRONG_INPUT = "Go back and correct it; if you followed a link, it may be of another version of this site."
"""`errors`, which the API's hint speaks of, are not on a page."""


def page(
    *,
    needs: Needs,
    query: type[pydantic.BaseModel] | None = None,
    body: type[pydantic.BaseModel] | None = None,
    reads: Iterable[str] = (),
    ahead: Ahead | None = None,
) -> Callable[[View], RouteView]:
    """Make a view a page that reads these state files. Whoever is not signed in is sent to the login page, with the way back."""

    def decorate(view: View) -> RouteView:
        contract = Contract(
            "page", needs, query, body, reads=beside_people(reads), ahead=ahead, takes_request=takes_request(view)
        )

        def call(request: Request, who: Principal | None) -> Reply:
            value = invoke(view, contract, request, who)
            if isinstance(value, Reply):
                return value
            return answered(value, request, who)

        return RouteView(view, contract, call, on_error=error_of_page)

    return decorate


def answered(
    value: object, request: Request, who: Principal | None, *, form: Refused = NOT_SENT, status: int | None = None
) -> Reply:
    """The page of a page object, with the notice that waits for it and, after a refused form, what was typed into it."""
    said = notice.read(request)
    more: str = getattr(value, "content_policy", "")
    own_status: int = getattr(value, "status", 200)
    return Reply(
        body=render(value, who=who, path=request.path, notice=said, form=form),
        status=own_status if status is None else status,
        content_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; {more}"} if more else {},
        cookies=(notice.end(wiring.settings()),) if said else (),
    )


def error_of_page(error: AgnesError, request: Request, who: Principal | None) -> Reply:
    if error.status == 401:
        pairs = [(name, value) for name, values in request.query.items() for value in values]
        way_back = request.path + ("?" + urlencode(pairs) if pairs else "")
        return Redirect(f"{wiring.settings().base_path}/login?{urlencode({'next': way_back})}", status=302)
    hint = WRONG_INPUT if error.hint == CORRECT_FIELDS else error.hint or ""
    shown = ErrorPage(status=error.status, message=error.message, hint=hint, request_id=request.id)
    return answered(shown, request, who, status=error.status)
