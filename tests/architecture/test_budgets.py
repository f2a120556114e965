"""What a function weighs: its layers' size, its import's time, and that its layers are enough.

The layers are built for this machine by `layers/build.py`, which does nothing when they are up to date.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra import compose
from infra.compose import Composition
from infra.discovery import Found
from infra.templates import function_layers
from layers import build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
ALWAYS = ("code", "base", "aws")
IMPORT_SECONDS = 0.35
TRIES = 6
"""Of a function that was slow: the processor's caches and clock are shared with whatever else runs."""
YARDSTICK_SECONDS = 0.015
"""What the probe's own fixed work takes on an idle core of the machine that the budget was set on. Where it takes longer
right before and after the import, the core is slower or shared by so much, and the import's time is told in idle seconds."""
HEAVY = {"anthropic": "llm", "pyarrow": "arrow", "dulwich": "git", "jinja2": "web", "asyncssh": "sftp"}
"""Packages that a function must not import unless it has the layer."""

PROBE = """
import importlib, json, sys, time
def yardstick():
    began = time.process_time()
    text = json.dumps([{"name": str(n), "value": n} for n in range(6000)])
    for _ in range(4):
        json.loads(text)
    return time.process_time() - began
yardstick()
before = yardstick()
started = time.process_time()
module = importlib.import_module(sys.argv[1])
handler = module
for name in sys.argv[2].split(".")[1:]:
    handler = getattr(handler, name)
seconds = time.process_time() - started
slower = max(1.0, (before + yardstick()) / 2 / YARDSTICK)
print(json.dumps({"seconds": seconds / slower, "modules": sorted({n.partition(".")[0] for n in sys.modules})}))
"""


@pytest.fixture(scope="module")
def composition() -> Composition:
    return compose.compose()


@pytest.fixture(scope="module")
def layers(composition: Composition) -> dict[str, Path]:
    compose.write_openapi(composition)
    return {name: build.build(name, "local") for name in build.names()}


def layers_of(composition: Composition, function: Found) -> list[str]:
    return [*ALWAYS, *function_layers(function, composition.entries[function.domain, function.folder])]


def imported(function: Found, folders: list[Path]) -> dict:
    """Import a function as Lambda does: its own folder and its layers, and no package of this environment."""
    done = subprocess.run(
        [sys._base_executable, "-I", "-S", "-B", "-c", _isolated(folders), "app", function.handler],
        cwd=ROOT / function.place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{function.place} does not import with its layers:\n{done.stderr[-1500:]}"
    return json.loads(done.stdout)


def _isolated(folders: list[Path]) -> str:
    path = [".", *(str(folder / "python") for folder in folders)]
    return f"import sys; sys.path[:0] = {path!r}\nYARDSTICK = {YARDSTICK_SECONDS}\n{PROBE}"


def test_every_function_imports_with_its_declared_layers_only(
    composition: Composition, layers: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    slow, heavy, seconds = [], [], {}
    for function in composition.functions:
        names = layers_of(composition, function)
        found = imported(function, [layers[name] for name in names])
        for _ in range(TRIES - 1):
            if found["seconds"] <= IMPORT_SECONDS or not function.routes:
                break
            again = imported(function, [layers[name] for name in names])
            found = min(found, again, key=lambda probe: probe["seconds"])
        seconds[function.place] = found["seconds"]
        if found["seconds"] > IMPORT_SECONDS and function.routes:
            slow.append(f"{function.place}: {found['seconds']:.3f} s")
        heavy += [
            f"{function.place} imports {package} without declaring the layer {layer}"
            for package, layer in HEAVY.items()
            if package in found["modules"] and layer not in names
        ]
    slowest = max(seconds, key=seconds.get)
    with capsys.disabled():
        print(f"\nslowest import: {slowest}, {seconds[slowest] * 1000:.0f} ms of {IMPORT_SECONDS * 1000:.0f}")
    assert not heavy, "\n".join(heavy)
    assert not slow, f"over {IMPORT_SECONDS} s:\n" + "\n".join(slow)


def test_every_function_fits_with_its_layers(composition: Composition, layers: dict[str, Path]) -> None:
    sizes = {name: build.size_bytes(folder) for name, folder in layers.items()}
    for function in composition.functions:
        names = layers_of(composition, function)
        total = sum(sizes[name] for name in names) + build.size_bytes(ROOT / function.place)
        assert total <= build.HARD_LIMIT_BYTES, f"{function.place}: {total / 1e6:.0f} MB of {names}"
        if function.routes and not {"arrow", "llm"} & set(names):
            assert total <= build.API_LIMIT_BYTES, f"{function.place}: {total / 1e6:.0f} MB of {names}"


def test_a_function_with_arrow_would_fit(layers: dict[str, Path]) -> None:
    assert build.size_bytes(*(layers[name] for name in (*ALWAYS, "arrow"))) <= build.HARD_LIMIT_BYTES


ASKED = """
import anthropic, duckdb, pathlib, tempfile
from agnes.telemetry.ask import locked
path = pathlib.Path(tempfile.mkdtemp()) / "usage.duckdb"
with duckdb.connect(str(path)) as db:
    db.execute("CREATE TABLE usage_events AS SELECT 1 AS n, now()::TIMESTAMP AS occurred_at")
anthropic.Anthropic(api_key="none").messages
print(locked.run("SELECT n, now() IS NOT NULL AS now FROM usage_events", path, frozenset({"usage_events"})).rows)
path.unlink()
path.parent.rmdir()
"""


def test_what_a_question_imports_late_is_in_its_layers(layers: dict[str, Path]) -> None:
    """The model's package, whole after stripping, and the child process, which finds DuckDB by the paths it is given."""
    path = [str(layers[name] / "python") for name in (*ALWAYS, "web", "llm")]
    done = subprocess.run(
        [sys._base_executable, "-I", "-S", "-B", "-c", f"import sys; sys.path[:0] = {path!r}\n{ASKED}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "[[1, True]]\n", done.stderr[-1500:]


def test_the_heaviest_combination_that_anybody_declares_is_known(
    composition: Composition, layers: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    combinations = {tuple(layers_of(composition, function)) for function in composition.functions}
    with capsys.disabled():
        for names in sorted(combinations):
            total = build.size_bytes(*(layers[name] for name in names)) / build.MEGABYTE
            print(f"\nlayers {'+'.join(names)}: {total:.0f} MB", end="")
        print()
    assert combinations
