"""`@form`: the POST of a page, for a browser without script.

The view does what was asked and returns `Done`, which leads to a page with a notice. If it raises an error that the person
can correct, the page that the form is on is answered again, with what was typed and the reason beside each field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic

from agnes import wiring
from agnes.edge import notice
from agnes.edge.endpoint import Contract, RouteView, View, invoke, takes_request
from agnes.edge.errors import CORRECT_FIELDS, field_errors
from agnes.edge.needs import Needs
from agnes.edge.page import answered, error_of_page
from agnes.edge.refused import ACTION, Refused
from agnes.edge.reply import Redirect, Reply
from agnes.edge.request import Request
from agnes.kernel.errors import AgnesError
from agnes.kernel.principal import Principal


@dataclass(frozen=True)
class Done:
    """What a form did: the page to go on to, below the base path, and a sentence that it shows once."""

    to: str
    notice: str = ""
    cookies: tuple[str, ...] = ()


def form(
    *, needs: Needs, body: type[pydantic.BaseModel] | None = None, page: RouteView | None = None
) -> Callable[[View], RouteView]:
    """Make a view the POST of a page. `page` is the view of the GET, on the same path; without one, what is refused is
    answered by a page of its own."""

    def decorate(view: View) -> RouteView:
        contract = Contract("page", needs, None, body, takes_request=takes_request(view))

        def call(request: Request, who: Principal | None) -> Reply:
            try:
                done = invoke(view, contract, request, who)
            except AgnesError as error:
                if page is None or error.status >= 500 or error.status in (401, 403):
                    raise
                refused = _refused(error, request, body)
                value = _page_again(page, request, who)
                return answered(value, request, who, form=refused, status=refused.status)
            if isinstance(done, Reply):
                return done
            if not isinstance(done, Done):  # a page that cannot wait for a redirect: it shows a new secret
                return answered(done, request, who)
            settings = wiring.settings()
            cookies = done.cookies
            if done.notice:
                cookies = (*cookies, notice.cookie(done.notice, settings))
            return Redirect(settings.base_path + done.to, cookies=cookies)

        return RouteView(view, contract, call, on_error=error_of_page)

    return decorate


def _page_again(page: RouteView, request: Request, who: Principal | None) -> object:
    contract = page.agnes
    kwargs: dict[str, Any] = dict(request.path_params)
    if contract.query is not None:
        kwargs["query"] = _same_place(contract.query, request)
    if contract.takes_request:
        kwargs["request"] = request
    return page.view(who, **kwargs)


def _same_place(query: type[pydantic.BaseModel], request: Request) -> pydantic.BaseModel:
    """The page's query as the form repeats it in fields of the same names."""
    sent = {name: values[0] for name, values in request.form.items() if name in query.model_fields and values[0]}
    try:
        return query.model_validate(sent)
    except pydantic.ValidationError:
        return query()


def _refused(error: AgnesError, request: Request, body: type[pydantic.BaseModel] | None) -> Refused:
    fields = body.model_fields if body is not None else {}
    secret = {name for name, info in fields.items() if "Secret" in str(info.annotation)}
    values = {name: given for name, given in request.form.items() if name not in secret}
    errors = {field.partition(".")[0]: reason for field, reason in field_errors(error)}
    known = {name: why for name, why in errors.items() if name in fields and name != ACTION}
    all_beside_fields = bool(errors) and errors.keys() == known.keys()
    return Refused(
        action=request.form.get(ACTION, [""])[0],
        values=values,
        errors=known,
        message="" if all_beside_fields else error.message,
        hint="" if error.hint == CORRECT_FIELDS else error.hint or "",
        status=error.status,
    )
