"""Which function answers a path. Paths stay as they are in the URL: API Gateway does not decode them either."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import BaseConverter, Map, RequestRedirect, Rule

from agnes_local.composed import ANY, Route

_VARIABLE = re.compile(r"\{(\w+)(\+?)\}")


def _converted(variable: re.Match[str]) -> str:
    return f"<{'rest' if variable[2] else 'raw'}:{variable[1]}>"


class NoSuchPath(Exception):
    """404."""


class NoSuchMethod(Exception):
    """405; `allowed` are the methods that the path has."""

    def __init__(self, allowed: Iterable[str]) -> None:
        super().__init__()
        self.allowed = sorted(allowed)


class _Raw(BaseConverter):
    """One segment, as it is in the URL."""

    regex = "[^/]+"


class _Rest(BaseConverter):
    """All that follows, as it is in the URL; like other paths it does not end with a slash."""

    regex = ".*[^/]"
    part_isolating = False


class Routes:
    def __init__(self, routes: Iterable[Route]) -> None:
        rules = [
            Rule(
                _VARIABLE.sub(_converted, route.path),
                methods=None if route.method == ANY else [route.method],
                endpoint=route,
            )
            for route in routes
        ]
        self._adapter = Map(
            rules,
            converters={"raw": _Raw, "rest": _Rest},
            strict_slashes=True,
            merge_slashes=False,
            redirect_defaults=False,
        ).bind("agnes")
        self._match = lru_cache(4096)(self._find)

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Raises NoSuchPath, NoSuchMethod. HEAD is answered where GET is."""
        return self._match("GET" if method == "HEAD" else method, path)

    def _find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        try:
            route, parameters = self._adapter.match(path, method)
            return route, dict(parameters)
        except MethodNotAllowed as exc:
            raise NoSuchMethod(exc.valid_methods or ()) from None
        except (NotFound, RequestRedirect):
            raise NoSuchPath from None
