"""The functions, as their own code declares them: every `functions/<domain>/<folder>/app.py`, imported and read."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agnes.edge import Function
    from agnes.edge.endpoint import Contract

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    contract: Contract
    view: Callable[..., object]


@dataclass(frozen=True)
class Found:
    """One function. It has routes, or one handler that a schedule or a queue calls."""

    domain: str
    folder: str
    app: Function
    routes: tuple[Route, ...]
    job: Contract | None

    @property
    def name(self) -> str:
        """`<domain>-<folder>`: the tail of the deployed function's name."""
        return f"{self.domain}-{self.folder}"

    @property
    def job_name(self) -> str:
        """What its schedule or queue knows it as; nothing for routes."""
        return self.job.summary if self.job else ""

    @property
    def place(self) -> str:
        return f"functions/{self.domain}/{self.folder}"

    @property
    def handler(self) -> str:
        return self.app.pure_lambda_functions[0].handler_string if self.job else "app.app"


class CompositionError(Exception):
    """The decorators, the tables of infra/ and the folders do not agree, or AWS would refuse them. One line a problem."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the templates do not compose:\n" + "\n".join(f"  {problem}" for problem in problems))
        self.problems = problems


def folders() -> list[tuple[str, str]]:
    """`(domain, folder)` of every function on disk, in order."""
    return sorted((file.parent.parent.name, file.parent.name) for file in ROOT.glob("functions/*/*/app.py"))


def functions() -> list[Found]:
    """Every function, imported. Raises CompositionError naming what breaks a convention."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    found, problems = [], []
    for domain, folder in folders():
        try:
            module = importlib.import_module(f"functions.{domain}.{folder}.app")
        except Exception as exc:  # whatever it is, the others should be told of too
            problems.append(f"functions/{domain}/{folder}/app.py cannot be imported: {type(exc).__name__}: {exc}")
            continue
        jobs = module.app.pure_lambda_functions
        try:
            routes, job = tuple(_routes(module.app)), _contract(jobs[0].func) if jobs else None
        except CompositionError as exc:
            problems += [f"functions/{domain}/{folder}/app.py: {problem}" for problem in exc.problems]
            continue
        function = Found(domain, folder, module.app, routes, job)
        problems += _broken_conventions(function, len(jobs))
        found.append(function)
    problems += _shared_routes(found)
    if problems:
        raise CompositionError(problems)
    return found


def _routes(app: Function) -> Iterator[Route]:
    for path, methods in app.routes.items():
        for method, entry in methods.items():
            yield Route(method, path, _contract(entry.view_function), entry.view_function)


def _contract(view: object) -> Contract:
    """What a decorator of `agnes.edge` left on a view. Raises CompositionError where there is none."""
    from agnes.edge.endpoint import Contract  # as late as the functions are imported

    contract = getattr(view, "agnes", None)
    if not isinstance(contract, Contract):
        name = getattr(view, "__name__", repr(view))
        raise CompositionError([f"{name} is not decorated with @endpoint, @page, @form, @git, @job or @queue_job"])
    return contract


def _broken_conventions(function: Found, jobs: int) -> Iterator[str]:
    if function.app.app_name != function.name:
        yield f"{function.place}/app.py: its Function is named {function.app.app_name!r}, not {function.name!r}"
    if jobs + bool(function.routes) != 1:
        yield f"{function.place}/app.py: needs routes or one @app.lambda_function(), and not both"
    trigger = function.folder.partition("_")[0]
    kinds = {"cron": "job", "queue": "queue"}
    if (function.job.kind if function.job else None) != kinds.get(trigger):
        yield f"{function.place}/app.py: a folder {trigger}_… does not hold a {_kind(function)}"
    for route in function.routes:
        if trigger not in ("any", "page", route.method.lower()):
            yield f"{function.place}/app.py: answers {route.method} {route.path}, so it cannot be {trigger}_…"


def _kind(function: Found) -> str:
    return function.job.kind if function.job else "route"


def _shared_routes(found: list[Found]) -> Iterator[str]:
    owners: dict[tuple[str, str], str] = {}
    for function in found:
        for route in function.routes:
            # {id} and {name} at the same place are one resource to the API.
            shape = "/".join("{}" if part.startswith("{") else part for part in route.path.split("/"))
            other = owners.setdefault((route.method, shape), function.place)
            if other != function.place:
                yield f"{function.place}/app.py: {route.method} {route.path} is already answered by {other}"
