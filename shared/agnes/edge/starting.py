"""What a function does before its first request: in Lambda's initialisation nobody waits yet, and it has a whole processor.

When a function declares a route, its settings are read, its store's clients made, the state files opened that the route reads, and its templates
compiled. All that a snapshot of the process (SnapStart) may hold is done: no secret is read, connections are closed at
the end, and the first request asks for the newest state whatever the restored clock says.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, get_args

from agnes import settings, wiring
from agnes.kernel.errors import AgnesError

if TYPE_CHECKING:
    from agnes.edge.endpoint import Ahead, Contract

log = logging.getLogger("agnes.edge")

SNAP_START = "snap-start"
PATIENCE_SECONDS = 5.0
"""Lambda begins anew after ten seconds of initialisation, within the request that waits for it. A store that is away so long
is asked again by the request."""


def start(view: Any) -> None:
    """Get ready for the route of this view, where this process is being initialised by Lambda. Never raises."""
    kind = settings.initialisation()
    if kind:
        get_ready([view], is_snapshot=kind == SNAP_START)


def get_ready(views: Iterable[Any], *, is_snapshot: bool = False) -> None:
    """Get ready for requests to these views. Never raises: what cannot be done now is done by the first request."""
    views = list(views)
    files = dict.fromkeys(file for view in views for file in _files(view.agnes))
    try:
        made = dict.fromkeys(view.agnes.ahead for view in views if view.agnes.ahead)
        opening = threading.Thread(target=_open, args=(tuple(files), tuple(made)), name="agnes-start", daemon=True)
        opening.start()
        for name in {name for view in views for name in _templates(view)}:
            _compile(name)
        opening.join(PATIENCE_SECONDS)
        if is_snapshot:
            wiring.rest()
    except Exception:
        log.exception("the function could not get ready beforehand")


def _files(contract: Contract) -> tuple[str, ...]:
    """State files of a route; none of one that anybody may ask, which mostly reads none."""
    from agnes.edge.needs import Needs

    return () if contract.needs is Needs.PUBLIC and not contract.reads else ("people", *contract.reads)


def _open(files: tuple[str, ...], ahead: tuple[Ahead, ...]) -> None:
    try:
        wiring.connect()
        state = wiring.state()
        if files and not state.prepare(*files):
            log.warning("not all of %s could be opened beforehand", ", ".join(files))
            return  # they may not be there yet, and nothing is made here
        for make in ahead:
            make(state, wiring.store())
    except AgnesError as exc:
        log.warning("the state cannot be opened beforehand: %s", exc.message)
    except Exception:
        log.exception("the function could not get ready beforehand")


def _templates(view: Any) -> list[str]:
    """Of the pages that the view returns, and the page of errors."""
    if view.agnes.kind != "page":
        return []
    from agnes.edge.render import ErrorPage

    returned = view.__annotations__.get("return")
    pages = [kind.template for kind in get_args(returned) or (returned,) if hasattr(kind, "template")]
    return [*pages, ErrorPage.template]


def _compile(name: str) -> None:
    from agnes.edge.render import compile_ahead

    compile_ahead(name)
