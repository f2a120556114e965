"""Warm requests over a store as slow as S3 (a GET 20 ms, a PUT 45), each function in an environment of its own.

Each request comes after the staleness window, so it looks at the heads of the state files that its answer comes from.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from agnes.hosting.bill import Work
from tests.costs.fleet import Fleet, later, typical
from tests.costs.scenarios import GIT, PLUGIN, REFS, STALE_SECONDS, fill, push, transcripts

REPEATS = 15
WARMING = 2
AIM_MS = 30.0
LS_REFS = b"0014command=ls-refs\n0016object-format=sha100010009peel\n000csymrefs\n0000"


def run(emit: Callable[..., None]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fleet = Fleet(Path(folder))
        try:
            measure(emit, fleet, fill(fleet))
        finally:
            fleet.close()


def measure(emit: Callable[..., None], fleet: Fleet, token: str) -> None:
    cookie = {"cookie": f"access_token={token}"}
    reads: dict[str, tuple[str, str, dict[str, Any]]] = {
        "page": ("GET", "/marketplace", cookie),
        "items": ("GET", "/api/marketplace/items", {"token": token}),
        "zip_302": ("GET", "/marketplace.zip", {"token": token}),
        "git_refs": ("GET", REFS, {"token": token, "headers": GIT}),
        "git_refs_v0": ("GET", REFS, {"token": token}),
        "git_ls_refs": ("POST", "/marketplace.git/git-upload-pack", {"token": token, "headers": GIT, "body": LS_REFS}),
        "unused": ("GET", "/api/admin/usage/unused", {"token": token}),
        "admin_overview": ("GET", "/admin", cookie),
    }
    for name, (method, path, given) in reads.items():
        request = partial(fleet.request, method, path, **given)
        report(emit, name, *repeated(fleet, request), AIM_MS)
    methods = itertools.cycle(("DELETE", "POST"))
    report(emit, "install", *repeated(fleet, lambda: fleet.request(next(methods), PLUGIN, token=token)), None)
    bodies = transcripts()
    pushes, walls = [], []
    for session_id, body in itertools.islice(bodies, REPEATS + WARMING):
        later(fleet.clock, 8)
        pushes.append(push(fleet, token, session_id, body))
        walls.append(fleet.walls[-2:])
    for number, name in enumerate(("push_presign", "push_complete")):
        works = [steps[number] for steps in pushes[WARMING:]]
        report(emit, name, works, [steps[number] for steps in walls[WARMING:]], None)


def repeated(fleet: Fleet, request: Callable[[], Work]) -> tuple[list[Work], list[float]]:
    """The work of each request and its milliseconds. The first are not counted: the environment is new."""
    works = []
    for _ in range(REPEATS + WARMING):
        later(fleet.clock, STALE_SECONDS)
        works.append(request())
    return works[WARMING:], fleet.walls[-REPEATS:]


def report(emit: Callable[..., None], name: str, works: list[Work], walls: list[float], aim: float | None) -> None:
    calls = typical(works).calls
    emit(name=f"reads.{name}_p50", value=median(walls), unit="ms", better="lower", aim=aim)
    for verb in ("gets", "puts", "lists"):
        if asked := getattr(calls, verb):
            emit(name=f"reads.{name}_{verb}", value=asked, unit="a request", better="lower")
