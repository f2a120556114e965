"""What a function weighs: its layers' size, its import's time, and that its layers are enough.

The layers are built for this machine by `layers/build.py`, which does nothing when they are up to date.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
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
HEAVY = {
    "anthropic": "llm",
    "pyarrow": "arrow",
    "dulwich": "git",
    "jinja2": "web",
    "asyncssh": "sftp",
    "zxcvbn": "passwords",
    "pyotp": "passwords",
    "segno": "passwords",
    "authlib": "identity",
    "joserfc": "identity",
    "scim2_models": "identity",
}
"""Packages that a function must not import unless it has the layer."""

PROBE = """
import importlib, json, os, sys, time, traceback
def yardstick():
    began = time.process_time()
    text = json.dumps([{"name": str(n), "value": n} for n in range(6000)])
    for _ in range(4):
        json.loads(text)
    return time.process_time() - began
def seconds_of(act):
    before = yardstick()
    started = time.process_time()
    act()
    took = time.process_time() - started
    return took / max(1.0, (before + yardstick()) / 2 / YARDSTICK)
def reach(handler):
    found = importlib.import_module("app")
    for name in handler.split(".")[1:]:
        found = getattr(found, name)
def busy_seconds_of(act):
    started = time.process_time()
    act()
    return time.process_time() - started
def probe(place, handler, seconds_of):
    sys.path.insert(0, place)
    try:
        seconds = seconds_of(lambda: reach(handler))
        told = {"seconds": seconds, "modules": sorted({name.partition(".")[0] for name in sys.modules})}
    except BaseException:
        told = {"failure": traceback.format_exc()}
    print(json.dumps({"place": place, **told}), flush=True)
first, *rest = json.load(sys.stdin)
if not rest:
    yardstick()
    probe(*first, seconds_of)
    sys.exit()
shared = busy_seconds_of(lambda: importlib.import_module(SHARED))
print(json.dumps(shared), flush=True)
for function in (first, *rest):
    child = os.fork()
    if not child:
        probe(*function, busy_seconds_of)
        os._exit(0)
    os.waitpid(child, 0)
"""
"""Tells of functions, each a place and a handler. One alone is imported by this process. Of several, what every function
imports is imported once; each then imports what is left in a child that has nothing of the other functions. Their seconds are
as the machine is now; whoever takes too long is tried again alone, beside the yardstick, which itself takes as long as many an import."""
SHARED = "agnes.edge"


@pytest.fixture(scope="module")
def composition() -> Composition:
    return compose.compose()


@pytest.fixture(scope="module")
def layers(composition: Composition) -> dict[str, Path]:
    compose.write_openapi(composition)
    return {name: build.build(name, "local") for name in build.names()}


def layers_of(composition: Composition, function: Found) -> list[str]:
    return [*ALWAYS, *function_layers(function, composition.entries[function.domain, function.folder])]


def imported(functions: Sequence[Found], folders: list[Path]) -> list[dict]:
    """What the probe tells, run as Lambda does: a function's own folder and its layers, and no package of this environment."""
    path = [str(folder / "python") for folder in folders]
    constants = f"sys.path[:0] = {path!r}\nYARDSTICK = {YARDSTICK_SECONDS}\nSHARED = {SHARED!r}\n"
    done = subprocess.run(
        [sys._base_executable, "-I", "-S", "-B", "-c", f"import sys\n{constants}{PROBE}"],
        input=json.dumps([(str(ROOT / function.place), function.handler) for function in functions]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{SHARED} does not import with the layers of {functions[0].place}:\n{done.stderr[-1500:]}"
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    for function, probe in zip(functions, told[-len(functions) :], strict=True):
        assert "failure" not in probe, f"{function.place} does not import with its layers:\n{probe['failure'][-1500:]}"
    return told


def imports(functions: Sequence[Found], folders: list[Path]) -> Iterator[tuple[Found, dict]]:
    """Each of these functions, which have the same layers, with its seconds and its modules."""
    shared, *told = imported(functions, folders) if len(functions) > 1 else (0.0, *imported(functions, folders))
    for function, first in zip(functions, told, strict=True):
        found = {**first, "seconds": shared + first["seconds"]}
        for _ in range(TRIES):
            if found["seconds"] <= IMPORT_SECONDS or not function.routes:
                break
            found = min(found, *imported([function], folders), key=lambda probe: probe["seconds"])
        yield function, found


def imports_shared(function: Found) -> bool:
    tree = ast.parse((ROOT / function.place / "app.py").read_text())
    return any(isinstance(node, ast.ImportFrom) and node.module == SHARED for node in tree.body)


def test_every_function_imports_what_is_measured_once(composition: Composition) -> None:
    assert [str(function.place) for function in composition.functions if not imports_shared(function)] == []


def test_every_function_imports_with_its_declared_layers_only(
    composition: Composition, layers: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    alike: dict[tuple[str, ...], list[Found]] = {}
    for function in composition.functions:
        alike.setdefault(tuple(layers_of(composition, function)), []).append(function)
    slow, heavy, seconds = [], [], {}
    for names, functions in alike.items():
        for function, found in imports(functions, [layers[name] for name in names]):
            seconds[function.place] = found["seconds"]
            if found["seconds"] > IMPORT_SECONDS and function.routes:
                slow.append(f"{function.place}: {found['seconds']:.3f} s")
            heavy += [
                f"{function.place} imports {package} without declaring the layer {layer}"
                for package, layer in HEAVY.items()
                if package in found["modules"] and layer not in names
            ]
    assert len(seconds) == len(composition.functions)
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
from agnes.sql import locked
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
