"""Finds a function's own route for a request that the gateway sent by a path that stands for several routes.

Such a path is a greedy one (`/scim/v2/{proxy+}`, from `below:` in infra/): one path resource for all routes below a prefix. The
event then names the gateway's path, and the request's real path says which route is meant. The rules are API Gateway's
(docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-settings-method-request.html and http-api-develop-routes.html):
a literal part beats a variable, a greedy variable comes last, a variable is exactly one part and never empty. A part is compared
as it was sent: `%55sers` is not `Users`. A route's path is chosen before its method, as a REST API does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from agnes.edge.request import is_http_api, without_stage
from agnes.kernel.errors import AgnesError, BadRequestError, NotFoundError

GREEDY = "+}"
"""How a path ends whose last variable takes all that follows."""

NO_SUCH_PATH = "there is nothing at this path"
SEE_API = "See /api/openapi.json."


class MethodNotAllowedError(AgnesError):
    status = 405
    code = "method_not_allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = sorted(allowed)
        super().__init__(f"this path does not take {method}", hint=f"It takes {', '.join(self.allowed)}.")


@dataclass
class _Node:
    """A place in the tree of a function's routes, one level a path part."""

    literals: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    greedy: str = ""
    """The route that takes all that follows this place."""
    route: str = ""
    """The route that ends here."""


class RouteTable:
    """The routes of one function: path → methods, as Chalice has them."""

    def __init__(self, routes: Mapping[str, Collection[str]]) -> None:
        self._methods = routes
        self._root = _Node()
        for path in routes:
            node = self._root
            for part in _parts(path):
                if part.endswith(GREEDY):
                    node.greedy = path
                    break
                if part.startswith("{"):
                    node.variable = node.variable or _Node()
                    node = node.variable
                else:
                    node = node.literals.setdefault(part, _Node())
            else:
                node.route = path

    def route_of(self, method: str, parts: list[str]) -> tuple[str, str]:
        """The route's path, and its method: GET for a HEAD that no route answers itself.

        Raises NotFoundError, MethodNotAllowedError.
        """
        route = _find(self._root, parts)
        if not route:
            raise NotFoundError(NO_SUCH_PATH, hint=SEE_API)
        methods = self._methods[route]
        answered = "GET" if method == "HEAD" and "HEAD" not in methods else method
        if answered not in methods:
            raise MethodNotAllowedError(method, methods)
        return route, answered


def _find(node: _Node, parts: list[str]) -> str:
    """The route that fits best, part for part; empty if none does."""
    if not parts:
        return node.route
    first, rest = parts[0], parts[1:]
    if (literal := node.literals.get(first)) is not None and (found := _find(literal, rest)):
        return found
    if node.variable is not None and (found := _find(node.variable, rest)):
        return found
    return node.greedy


def resolved(table: RouteTable, event: Mapping[str, Any]) -> dict[str, Any]:
    """The event as the gateway would have sent it by the route itself: with its path, method and variables.

    Raises NotFoundError, MethodNotAllowedError; BadRequestError for a path that no client may mean.
    """
    context = event["requestContext"]
    parts = _real_parts(event, context["resourcePath"])
    _refuse_hostile(parts, encoded=not is_http_api(event))
    route, method = table.route_of(context["httpMethod"], parts)
    return {
        **event,
        "resource": route,
        "httpMethod": method,
        "pathParameters": _variables(route, parts) or None,
        "requestContext": {**context, "resourcePath": route, "httpMethod": method},
    }


def _parts(path: str) -> list[str]:
    return path.removeprefix("/").split("/") if path != "/" else []


def _real_parts(event: Mapping[str, Any], resource: str) -> list[str]:
    """The parts of the path that was asked for, from where the gateway's path begins: an event that came by a custom domain has
    its base path in front. A REST API does not distinguish `/a/` from `/a`; an HTTP API does. Raises NotFoundError."""
    path = without_stage(event, event.get("path") or "")
    if not is_http_api(event) and path != "/":
        path = path.removesuffix("/")
    parts, wanted = _parts(path), _parts(resource)
    greedy = wanted.pop().strip("{+}") if resource.endswith(GREEDY) else ""
    last = len(parts) - len(wanted)
    for start in range(last) if greedy else (last,):
        end = start + len(wanted)
        if (
            start >= 0
            and all(
                mine == given or (mine.startswith("{") and given)
                for mine, given in zip(wanted, parts[start:end], strict=True)
            )
            and (not greedy or _is_rest(parts[end:], (event.get("pathParameters") or {}).get(greedy)))
        ):
            return parts[start:]
    raise NotFoundError(NO_SUCH_PATH, hint=SEE_API)


def _is_rest(parts: list[str], said: str | None) -> bool:
    """Whether these are what the gateway says that its greedy variable took, decoded or not."""
    if said is None:
        return True
    rest, said = "/".join(parts), said.removesuffix("/")
    return said in (rest, unquote(rest))


def _refuse_hostile(parts: Iterable[str], *, encoded: bool) -> None:
    """Raises NotFoundError for parts that are empty or that other programs read as a way up, and BadRequestError for bytes that
    are no text."""
    for part in parts:
        try:
            plain = unquote_to_bytes(part).decode() if encoded else part
        except UnicodeDecodeError as exc:
            raise BadRequestError("the path is not UTF-8", code="malformed_path") from exc
        if not plain or not {".", ".."}.isdisjoint(plain.split("/")):
            raise NotFoundError(NO_SUCH_PATH, hint=SEE_API)
        if any(character < " " or character == "\x7f" for character in plain):
            raise BadRequestError("the path has a control character", code="malformed_path")


def _variables(route: str, parts: list[str]) -> dict[str, str]:
    """The values of a route's variables, as they are in the event: still encoded by a REST API."""
    found = {}
    for number, part in enumerate(_parts(route)):
        if part.endswith(GREEDY):
            found[part.strip("{+}")] = "/".join(parts[number:])
        elif part.startswith("{"):
            found[part.strip("{}")] = parts[number]
    return found
