"""`@endpoint`: a route that answers a value.

The view is called with `who` (the Principal, None on a PUBLIC route without a cookie), the path
parameters by name, `query` and `body` as validated models if they are declared, and `request`
if it has a parameter of that name. It returns a value (encoded as JSON), None (204), or a Reply.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import update_wrapper
from typing import Any, get_origin

import pydantic

from agnes import wiring
from agnes.edge import generations
from agnes.edge.app import CURRENT_REQUEST
from agnes.edge.compression import compressed
from agnes.edge.errors import error_reply, invalid_input, known_error
from agnes.edge.identify import find_credential, identify
from agnes.edge.needs import Needs
from agnes.edge.reply import BytesResponse, Reply, respond
from agnes.edge.request import Request
from agnes.edge.routing import MethodNotAllowedError
from agnes.edge.scopes import near_end
from agnes.kernel.errors import AgnesError, UnsupportedError
from agnes.kernel.ports import ObjectStore
from agnes.kernel.principal import Principal
from agnes.kernel.scopes import Scope
from agnes.kernel.state import CURRENT_ACTOR, Actor, State
from agnes.ops import version

View = Callable[..., object]
"""A function of a domain's folder: the principal first, then what its contract declares, by name."""
Ahead = Callable[[State, ObjectStore], object]


@dataclass(frozen=True)
class Contract:
    """What a decorated view promises: read by the OpenAPI composer and by the inventory test."""

    kind: str
    needs: Needs
    query: type[pydantic.BaseModel] | None = None
    body: type[pydantic.BaseModel] | None = None
    answers: Any = None
    status: int = 200
    summary: str = ""
    scope: Scope | None = None
    """The narrow scope whose tokens open this route, beside the wide ones (`agnes.edge.scopes`)."""
    reads: tuple[str, ...] = ()
    """State files that the view reads beside `people`, looked at when a request begins."""
    ahead: Ahead | None = None
    """Makes what every answer of the view needs, whoever asks; called before the first request (`agnes.edge.starting`)."""
    takes_request: bool = False
    """Whether the view has a parameter `request`; read once, a signature costs more than many a view."""


def endpoint(
    *,
    needs: Needs,
    query: type[pydantic.BaseModel] | None = None,
    body: type[pydantic.BaseModel] | None = None,
    answers: Any = None,
    status: int = 200,
    scope: Scope | None = None,
    reads: Iterable[str] = (),
    ahead: Ahead | None = None,
) -> Callable[[View], RouteView]:
    """Make a view an API route. `answers` is the type that it returns, for the API's description; `reads` are the state files
    that it reads."""

    def decorate(view: View) -> RouteView:
        summary = (inspect.getdoc(view) or view.__name__.replace("_", " ")).partition("\n")[0]
        contract = Contract(
            "endpoint",
            needs,
            query,
            body,
            answers or _returned(view),
            status,
            summary,
            scope,
            beside_people(reads),
            ahead,
            takes_request(view),
        )

        def call(request: Request, who: Principal | None) -> Reply:
            value = invoke(view, contract, request, who)
            if isinstance(value, Reply):
                return value
            return Reply(status=204) if value is None else Reply(body=value, status=status)

        return RouteView(view, contract, call, on_error=error_of_api)

    return decorate


def error_of_api(error: AgnesError, request: Request, who: Principal | None) -> Reply:  # noqa: ARG001 (pages show it)
    return error_reply(error, request.id)


class RouteView:
    """A view as Chalice calls it: identify, call, map errors, carry the generations, answer."""

    def __init__(
        self,
        view: View,
        contract: Contract,
        call: Callable[[Request, Principal | None], Reply],
        *,
        on_error: Callable[[AgnesError, Request, Principal | None], Reply],
    ) -> None:
        self.view = view
        self.agnes = contract
        self._call = call
        self._on_error = on_error
        update_wrapper(self, view)

    def __call__(self, **_path: str) -> BytesResponse:
        current = CURRENT_REQUEST.get()
        if current is None:
            raise RuntimeError("a route is called by its function, which has set the current request")
        request = Request.from_event(current.to_original_event())
        started = time.perf_counter()
        extra: dict[str, str] = {}
        who = None
        with generations.carried(request) as seen:
            try:
                with _looking(request, self.agnes):
                    who = identify(request, self.agnes.needs, route_scope=self.agnes.scope)
                    actor = CURRENT_ACTOR.set(_actor(who, request))
                    try:
                        reply = self._call(request, who)
                    finally:
                        CURRENT_ACTOR.reset(actor)
            except Exception as exc:  # the one place where a bug becomes an answer
                reply = self._on_error(known_error(exc, request_id=request.id, where=request.route), request, who)
            extra |= seen.headers()
            if left_out := wiring.state().spared:
                extra["X-Agnes-Left-Out"] = ", ".join(sorted(left_out))
            if who is not None and (end := near_end(who, wiring.clock().now())) is not None:
                extra["X-Agnes-Token-Expires"] = end.isoformat()
            cookies = (*reply.cookies, *seen.cookies())
        extra["Server-Timing"] = f"app;dur={(time.perf_counter() - started) * 1000:.1f}"
        return _answered(Reply(reply.body, reply.status, reply.headers, reply.content_type, cookies), request, extra)

    def refuse(self, error: AgnesError, event: dict[str, Any]) -> BytesResponse:
        """The answer to a request that none of the function's routes answers, in the form of this view's errors."""
        request = Request.from_event(event)
        reply = self._on_error(error, request, None)
        if isinstance(error, MethodNotAllowedError):
            reply = replace(reply, headers={**reply.headers, "Allow": ", ".join(error.allowed)})
        return _answered(reply, request, {})


def _answered(reply: Reply, request: Request, extra: dict[str, str]) -> BytesResponse:
    """`reply` with what every answer has."""
    headers = {"X-Request-Id": request.id, **extra}
    if request.path.startswith("/api/"):
        headers |= {"X-Agnes-Latest-Version": version.NUMBER, "X-Agnes-Min-Version": version.OLDEST_COMMAND}
    if wiring.settings().secure_cookies:
        headers["Strict-Transport-Security"] = "max-age=31536000"
    return compressed(respond(reply, headers), request)


def _looking(request: Request, contract: Contract) -> AbstractContextManager[None]:
    """A look at `people`, while the sign-in of who asks is read, and at what the view reads; none for who brings no credential."""
    if find_credential(request, basic=contract.needs is Needs.BASIC) is None:
        return nullcontext()
    return wiring.state().looking("people", *contract.reads)


def invoke(view: View, contract: Contract, request: Request, who: Principal | None) -> object:
    """Call the view with what it declared. Raises InvalidError for input that does not fit."""
    kwargs: dict[str, Any] = dict(request.path_params)
    if contract.query is not None:
        kwargs["query"] = parse_query(contract.query, request)
    if contract.body is not None:
        kwargs["body"] = parse_body(contract.body, request)
    if contract.takes_request:
        kwargs["request"] = request
    return view(who, **kwargs)


def parse_query(model: type[pydantic.BaseModel], request: Request) -> pydantic.BaseModel:
    """The query as `model`; a name that is given once is a scalar. Unknown names are the model's to refuse."""
    given = {name: values[0] if len(values) == 1 else values for name, values in request.query.items()}
    try:
        return model.model_validate(given)
    except pydantic.ValidationError as exc:
        raise invalid_input(exc, "query") from exc


def parse_body(model: type[pydantic.BaseModel], request: Request) -> pydantic.BaseModel:
    """The body as `model`: JSON, or a form as browsers send it without script."""
    kind = request.content_type
    if kind == "application/x-www-form-urlencoded":
        given: Any = {
            name: values if len(values) > 1 or _is_list(model, name) else values[0]
            for name, values in request.form.items()
        }
    elif kind in ("application/json", "") or not request.raw.get(
        "body"
    ):  # an HTTP API names a type where there is no body
        given = request.json()
    else:
        raise UnsupportedError(f"a body of type {kind} is not taken here", hint="Send application/json.")
    try:
        return model.model_validate(given)
    except pydantic.ValidationError as exc:
        raise invalid_input(exc, "body") from exc


def _is_list(model: type[pydantic.BaseModel], name: str) -> bool:
    """Whether a field holds several values: a form that sends one of them sends a list of one."""
    field = model.model_fields.get(name)
    return field is not None and get_origin(field.annotation) in (list, tuple)


def beside_people(files: Iterable[str]) -> tuple[str, ...]:
    """Without `people`, which every request with a credential reads first."""
    return tuple(file for file in dict.fromkeys(files) if file != "people")


def takes_request(view: View) -> bool:
    return "request" in inspect.signature(view).parameters


def _returned(view: View) -> Any:
    return inspect.get_annotations(view).get("return")


def _actor(who: Principal | None, request: Request) -> Actor:
    if who is None:
        return Actor(client_kind="web", client_ip=request.client_ip, request_id=request.id)
    return Actor(who.user_id, who.email, who.client_kind, request.client_ip, request.id)
