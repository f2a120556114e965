"""How fast an upload is checked: bytes a second on one core, by the processor's time, over what people upload and over one long text."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random

from agnes import checks
from agnes.checks import Bundle
from agnes.outside.scanners import scanners
from tests.builders.uploads import incidents, tuning

AIM = 20.0
ROUNDS = 3
WORDS = [
    "the",
    "ledger",
    "has",
    "one",
    "row",
    "a",
    "day",
    "and",
    "each",
    "row",
    "names",
    "its",
    "source",
    "month",
    "amount",
    "currency",
    "region",
    "owner",
    "table",
    "column",
    "figure",
    "sum",
    "average",
    "report",
    "reader",
    "question",
    "answer",
    "value",
    "number",
    "period",
    "quarter",
    "budget",
    "forecast",
    "actual",
    "variance",
    "note",
    "step",
    "check",
    "input",
    "output",
    "format",
    "header",
    "unit",
]


def prose(size: int) -> bytes:
    random = Random(7)
    lines = [" ".join(random.choice(WORDS) for _ in range(14)) + ".\n" for _ in range(size // 80)]
    return "".join(lines).encode()


def code(size: int) -> bytes:
    random = Random(8)
    lines = [
        f"    total_{n} = rows[{random.randrange(90)}]['{random.choice(WORDS)}'] * {random.randrange(9)}\n"
        for n in range(size // 52)
    ]
    return ("def totals(rows):\n" + "".join(lines)).encode()


def run(emit: Callable[..., None]) -> None:
    checks.check(Bundle("skill", "x-by-y", {"a.md": b"warm", "a.py": b"import subprocess\n"}), scanners())
    cases = {
        "prose": [Bundle("skill", "x-by-y", {f"reference/{n}.md": prose(500_000) for n in range(4)})],
        "code": [Bundle("skill", "x-by-y", {f"scripts/{n}.sh": code(500_000) for n in range(4)})],
        "data": [Bundle("skill", "x-by-y", {"data/rows.csv": b"2026-01-01,12.5,EUR,north\n" * 160_000})],
        "pictures": [
            Bundle("skill", "x-by-y", {"assets/a.png": b"\x89PNG\r\n\x1a\n" + Random(1).randbytes(4_000_000)})
        ],
        "small uploads": [one.bundle for half in (tuning.HALF, incidents.HALF) for one in half.samples(1, 0, 60)],
    }
    for name, bundles in cases.items():
        size = sum(len(body) for bundle in bundles for body in bundle.texts().values())
        best = min(_seconds(bundles) for _ in range(ROUNDS))
        emit(f"checks: {name}", size / 1e6 / best, "MB/s", better="higher", aim=AIM)
        emit(f"checks: {name}, an upload", best / len(bundles) * 1000, "ms", better="lower")


def _seconds(bundles: list[Bundle]) -> float:
    began = time.process_time()
    for bundle in bundles:
        checks.check(bundle, scanners())
    return time.process_time() - began
