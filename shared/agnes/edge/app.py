"""A Chalice app for one function."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

from chalice.app import Chalice
from chalice.app import Request as ChaliceRequest

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
        return recorded(
            self.app_name, event, context, lambda: super(Function, self).__call__(event, context), kind="api"
        )

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
