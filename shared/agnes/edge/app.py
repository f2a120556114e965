"""A Chalice app for one function."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from functools import cached_property
from itertools import takewhile
from operator import eq
from typing import Any, TypeVar

from chalice.app import Chalice
from chalice.app import Request as ChaliceRequest

from agnes.edge.routing import RouteTable, resolved
from agnes.kernel.errors import AgnesError

CURRENT_REQUEST: ContextVar[ChaliceRequest | None] = ContextVar("current_request", default=None)

V = TypeVar("V", bound=Callable[..., Any])


class Function(Chalice):
    """Chalice, made safe for several threads (the local gateway) and for every content type.

    `name` is `<domain>-<folder>`, as in `functions/browse/get_items` → `browse-get_items`.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, configure_logs=False, env={})
        # Binary answers are encoded by `agnes.edge.reply`; Chalice would demand a matching Accept header.
        self.api.binary_types = []

    def __call__(self, event: Any, context: Any) -> Any:
        from agnes.edge.recording import recorded  # needs what is built on this module
        from agnes.edge.warming import is_warming, warm

        if is_warming(event):
            return recorded(self.app_name, event, context, lambda: warm(event), kind="schedule")
        return recorded(self.app_name, event, context, lambda: self._answer(event, context), kind="api")

    def _answer(self, event: dict[str, Any], context: Any) -> Any:
        """The answer of the route that the event names, or that its path means where the gateway's path is for several."""
        asked = event["requestContext"]
        if asked["httpMethod"] in self.routes.get(asked["resourcePath"], ()):
            return super().__call__(event, context)
        try:
            event = resolved(self._table, event)
        except AgnesError as refused:
            return self._nearest_view(event).refuse(refused, event).to_dict()
        answer = super().__call__(event, context)
        return {**answer, "body": "", "isBase64Encoded": False} if asked["httpMethod"] == "HEAD" else answer

    @cached_property
    def _table(self) -> RouteTable:
        return RouteTable(self.routes)

    def _nearest_view(self, event: dict[str, Any]) -> Any:
        """A view whose path has the most in common with the one that was asked for: an error looks as its errors do."""
        asked = (event.get("path") or "").split("/")
        nearest = max(self.routes, key=lambda route: sum(takewhile(bool, map(eq, route.split("/"), asked))))
        return next(iter(self.routes[nearest].values())).view_function

    @property
    def current_request(self) -> ChaliceRequest | None:
        return CURRENT_REQUEST.get()

    @current_request.setter
    def current_request(self, request: ChaliceRequest | None) -> None:
        CURRENT_REQUEST.set(request)

    def route(self, path: str, **kwargs: Any) -> Callable[[V], V]:
        """As Chalice's, with `methods` always given; content types are judged by the endpoint, in our one error shape."""
        kwargs.setdefault("content_types", [])
        kwargs.setdefault("name", f"{kwargs['methods'][0].lower()} {path}")
        declared = super().route(path, **kwargs)

        def declare(view: V) -> V:
            from agnes.edge.starting import start  # needs what is built on this module

            found: V = declared(view)
            start(view)
            return found

        return declare

    def lambda_function(self, name: str | None = None) -> Callable[[V], V]:
        """As Chalice's: the view stays callable as it is."""
        return super().lambda_function(name)
