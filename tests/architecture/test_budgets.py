"""What a function weighs: its layers' size, what it imports, and that its layers are enough.

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

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
ALWAYS = ("code", "base", "aws")
SHARED = "agnes.edge"
"""What every function imports. It is the reference: seconds depend on the machine and its load, what is imported does not."""
MOST_MODULES = 620
"""Of one that answers a request; the largest has 582. With a cold cache each costs its share of the 350 ms of a cold start."""
MOST_TIMES = 6.0
"""A function's whole import, in imports of SHARED in the same process just before: the slowest takes about 2.5."""
TRIES = 6
"""Of a function over MOST_TIMES; the best counts."""
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
    "opentelemetry": "nothing",  # imported where traces are switched on, never before
}
"""Packages that a function must not import unless it has the layer."""

PROBE = """
import importlib, json, os, sys, time, traceback
def seconds_of(act):
    began = time.process_time()
    act()
    return time.process_time() - began
def reach(handler):
    found = importlib.import_module("app")
    for name in handler.split(".")[1:]:
        found = getattr(found, name)
def probe(place, handler, before):
    sys.path.insert(0, place)
    try:
        seconds = before + seconds_of(lambda: reach(handler))
        told = {"times": seconds / shared, "modules": sorted(sys.modules)}
    except BaseException:
        told = {"failure": traceback.format_exc()}
    print(json.dumps({"place": place, **told}), flush=True)
def in_a_child(act, *arguments):
    child = os.fork()
    if not child:
        act(*arguments)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        sys.exit("a probe ended with an error")
def probe_all(common, functions):
    took = shared + seconds_of(lambda: [importlib.import_module(name) for name in common])
    for place, handler in functions:
        in_a_child(probe, place, handler, took)
shared = seconds_of(lambda: importlib.import_module(SHARED))
for common, functions in json.load(sys.stdin):
    in_a_child(probe_all, common, functions)
"""
"""Tells of functions, each a place and a handler, in groups with the modules that all of a group import. What is common is
imported once, and what is left by a child that has nothing of the other functions."""


@pytest.fixture(scope="module")
def composition() -> Composition:
    return compose.compose()


@pytest.fixture(scope="module")
def layers(composition: Composition) -> dict[str, Path]:
    compose.write_openapi(composition)
    return {name: build.build(name, "local") for name in build.names()}


def layers_of(composition: Composition, function: Found) -> list[str]:
    return [*ALWAYS, *function_layers(function, composition.entries[function.domain, function.folder])]


def imports_of(function: Found) -> set[str]:
    """The modules that a function's own module names."""
    tree = ast.parse((ROOT / function.place / "app.py").read_text())
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def imported(functions: Sequence[Found], folders: list[Path]) -> list[dict]:
    """What the probe tells, run as Lambda does: a function's own folder and its layers, and no package of this environment."""
    path = [str(folder / "python") for folder in folders]
    groups: dict[str, list[Found]] = {}
    for function in functions:
        groups.setdefault(function.domain, []).append(function)
    asked = [
        (sorted(set.intersection(*map(imports_of, group))), [(str(ROOT / each.place), each.handler) for each in group])
        for group in groups.values()
    ]
    done = subprocess.run(
        [
            sys._base_executable,
            "-I",
            "-S",
            "-B",
            "-c",
            f"import sys\nsys.path[:0] = {path!r}\nSHARED = {SHARED!r}\n{PROBE}",
        ],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (
        f"{SHARED} does not import with the layers of {functions[0].place}:\n{done.stderr[-1500:]}"
    )
    told = {found["place"]: found for found in map(json.loads, done.stdout.splitlines())}
    answers = [told[str(ROOT / function.place)] for function in functions]
    for function, probe in zip(functions, answers, strict=True):
        assert "failure" not in probe, f"{function.place} does not import with its layers:\n{probe['failure'][-1500:]}"
    return answers


def imports(functions: Sequence[Found], folders: list[Path]) -> Iterator[tuple[Found, dict]]:
    """Each of these functions, which have the same layers, with how long it takes and its modules."""
    for function, first in zip(functions, imported(functions, folders), strict=True):
        found = first
        for _ in range(TRIES):
            if found["times"] <= MOST_TIMES or not function.routes:
                break
            found = min(found, *imported([function], folders), key=lambda probe: probe["times"])
        yield function, found


def test_every_function_imports_what_is_measured_once(composition: Composition) -> None:
    assert [str(function.place) for function in composition.functions if SHARED not in imports_of(function)] == []


def test_every_function_imports_with_its_declared_layers_only(
    composition: Composition, layers: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    alike: dict[tuple[str, ...], list[Found]] = {}
    for function in composition.functions:
        alike.setdefault(tuple(layers_of(composition, function)), []).append(function)
    slow, large, heavy, times, modules = [], [], [], {}, {}
    for names, functions in alike.items():
        for function, found in imports(functions, [layers[name] for name in names]):
            times[function.place], modules[function.place] = found["times"], len(found["modules"])
            if function.routes and times[function.place] > MOST_TIMES:
                slow.append(f"{function.place}: {found['times']:.1f} times {SHARED}")
            if function.routes and modules[function.place] > MOST_MODULES:
                large.append(f"{function.place}: {len(found['modules'])} modules")
            packages = {name.partition(".")[0] for name in found["modules"]}
            heavy += [
                f"{function.place} imports {package} without declaring the layer {layer}"
                for package, layer in HEAVY.items()
                if package in packages and layer not in names
            ]
    assert len(times) == len(composition.functions)
    slowest, largest = max(times, key=times.get), max(modules, key=modules.get)
    with capsys.disabled():
        print(
            f"\nslowest import: {slowest}, {times[slowest]:.1f} times {SHARED}; most modules: {largest}, {modules[largest]}"
        )
    assert not heavy, "\n".join(heavy)
    assert not large, f"over {MOST_MODULES} modules, so a cold start is over 350 ms:\n" + "\n".join(large)
    assert not slow, f"over {MOST_TIMES} times {SHARED}:\n" + "\n".join(slow)


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
