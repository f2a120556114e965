"""Which path of the gateway a route goes by: its own, or one that stands for several routes of its function.

An API has 300 path resources (REST) or routes (HTTP), and every distinct path costs at least one. The function finds the route
itself, by the request's real path (`agnes.edge.routing`), where

- `below: [/scim/v2]` in its entry makes all its routes below `/scim/v2/` one path, `/scim/v2/{proxy+}`. Several functions may
  name one prefix if no method is of two of them: each then gets its methods. A prefix of one function alone gets ANY;
- a path has an older name (`ALIASES`): both are one path with a variable;
- a path has several methods, all of one function: they are one ANY.

With ANY, a method that no route has is answered by the function, with 405.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from infra.discovery import Found, Route

PROXY = "{proxy+}"

ALIASES = {"/api/admin/usage": ("/api/admin/telemetry", "/api/admin/{area}")}
"""Prefix → the prefix whose routes it repeats, and the gateway's for both."""

Below = Mapping[str, tuple[str, ...]]
"""Prefixes by function."""


def problems(functions: Iterable[Found], below: Below) -> list[str]:
    """Why these prefixes cannot be: a request would reach another function than its route's."""
    functions = list(functions)
    names: dict[str, set[str]] = defaultdict(set)
    for name, prefixes in below.items():
        for prefix in prefixes:
            names[prefix].add(name)
    found = [problem for function in functions for problem in _twinless(function)]
    for prefix in sorted(names):
        found += _problems_of(prefix, names[prefix], functions)
        within = [other for other in names if _lies_below(prefix, other)]
        found += [f"below {prefix}: {other} is there too, and holds it" for other in within]
    return found


def _twinless(function: Found) -> Iterator[str]:
    mine = {(route.method, route.path) for route in function.routes}
    for method, path in sorted(mine):
        for alias, (original, _) in ALIASES.items():
            for one, other in ((alias, original), (original, alias)):
                if _lies_below(path, one) and (method, other + path.removeprefix(one)) not in mine:
                    yield f"{function.place}/app.py: {method} {path} has no twin below {other}"


def _problems_of(prefix: str, named_by: set[str], functions: list[Found]) -> Iterator[str]:
    owners: dict[str, str] = {}
    used = set()
    for function in functions:
        for route in function.routes:
            if not _may_be_below(route.path, prefix):
                continue
            what = f"{route.method} {route.path} of {function.name}"
            if function.name not in named_by:
                yield f"below {prefix}: {what}, which does not name it, would be asked of {', '.join(sorted(named_by))}"
            elif not _lies_below(route.path, prefix):
                yield f"below {prefix}: {what} could be meant by the same request, and has a path of its own"
            elif owners.setdefault(route.method, function.name) != function.name:
                yield f"below {prefix}: {what}: its method is {owners[route.method]}'s there"
            elif route.contract.kind == "git":
                yield f"below {prefix}: {what}: the gateway itself challenges git, path by path"
            used.add(function.name)
    yield from (f"below {prefix}: {name} has no route there" for name in sorted(named_by - used))


def _lies_below(path: str, prefix: str) -> bool:
    return path.startswith(f"{prefix}/")


def _may_be_below(path: str, prefix: str) -> bool:
    """Whether a request by this path can be one below the prefix: a variable may be any part."""
    mine, its = path.split("/"), prefix.split("/")
    return len(mine) > len(its) and all(
        one == other or one.startswith("{") or other.startswith("{") for one, other in zip(mine, its, strict=False)
    )


def _of_both_names(path: str) -> str:
    """The gateway's path for a path that has another name, too."""
    for alias, (original, gateways) in ALIASES.items():
        for prefix in (alias, original):
            if _lies_below(path, prefix):
                return gateways + path.removeprefix(prefix)
    return path


class GatewayPaths:
    """Of functions whose prefixes have no problems."""

    def __init__(self, functions: Iterable[Found], below: Below) -> None:
        self._below = {name: [_of_both_names(prefix) for prefix in prefixes] for name, prefixes in below.items()}
        self._asked: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for function in functions:
            for route in function.routes:
                self._asked[self._path(function, route)].add((function.name, route.method))
        self._shared = {
            f"{prefix}/{PROXY}"
            for name, prefixes in self._below.items()
            for prefix in prefixes
            if any(prefix in others for other, others in self._below.items() if other != name)
        }

    def of(self, function: Found, route: Route) -> tuple[str, bool]:
        """The path in the gateway's document, and whether it is for all methods."""
        path = self._path(function, route)
        functions = {name for name, _ in self._asked[path]}
        is_greedy = path.endswith(PROXY)
        if route.contract.kind == "git" or len(functions) > 1 or path in self._shared:
            return path, False
        return path, is_greedy or len(self._asked[path]) > 1

    def _path(self, function: Found, route: Route) -> str:
        path = _of_both_names(route.path)
        for prefix in self._below.get(function.name, ()):
            if _lies_below(path, prefix):
                return f"{prefix}/{PROXY}"
        return path
