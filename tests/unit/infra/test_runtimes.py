"""The interpreter that builds is the one that runs on AWS, and what it builds loads there."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from infra import before_deploy
from infra.compose import Composition
from layers import binaries, build, runtimes
from layers.runtimes import AMAZON_LINUX_2, DEPLOYABLE, RUNTIMES, Runtime

ROOT = Path(__file__).resolve().parents[3]
ARCHITECTURES = ("arm64", "x86_64")
COMPILED = ("base", "git", "sftp", "arrow", "web", "llm", "identity", "checks", "adbc")
"""Layers with compiled modules; that the others have none is looked at, too."""
NEWEST_BUT_ONE = DEPLOYABLE[-2]
BUILT_FOR = next((runtime for runtime in DEPLOYABLE if runtime.python == runtimes.running()), NEWEST_BUT_ONE)
"""Of this interpreter, or where AWS has none for it, the one that `make deploy` proposes."""


def nothing(_name: str) -> None:
    return None


def test_every_template_runs_on_the_interpreter_that_composed_it(composition: Composition) -> None:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    stated = [
        template["Globals"]["Function"]["Runtime"]
        for domain, template in composition.templates.items()
        if domain != "root"
    ]
    assert set(stated) == {name}
    resources = composition.templates["root"]["Resources"].values()
    layers = [r["Properties"] for r in resources if r["Type"] == "AWS::Serverless::LayerVersion"]
    assert len(layers) == 12
    assert all(layer["CompatibleRuntimes"] == [name] for layer in layers)


@pytest.mark.parametrize("python", [(3, 12), (3, 13), (3, 14)])
def test_versions_that_are_deployed(python: tuple[int, int]) -> None:
    assert before_deploy.refusals("agnes", python, nothing) == []


@pytest.mark.parametrize("python", [(3, 11), (3, 15)])
def test_a_version_that_aws_does_not_run_is_refused_with_what_to_do(python: tuple[int, int]) -> None:
    [refusal] = before_deploy.refusals("agnes", python, nothing)
    assert f"Python 3.{python[1]} cannot build what runs on AWS Lambda; Python 3.12, 3.13, 3.14 can." in refusal
    assert "apt-get install python3 python3-venv" in refusal
    assert refusal.endswith("rm -rf .venv && make PYTHON=python3.13 deploy …")
    [refusal] = before_deploy.refusals("agnes", python, {"python3.12": "/usr/bin/python3.12"}.get)
    assert "python3.12 is installed here." in refusal
    assert refusal.endswith("make PYTHON=python3.12 deploy …")


def test_make_deploy_asks_before_it_builds() -> None:
    """A name that no stack may have, so that this is refused by every interpreter."""
    done = subprocess.run(
        ["make", "--no-print-directory", "deployable", "STACK=Agnes_Production_Environment"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "STACK has 28 characters; 20 at most" in done.stderr
    plan = subprocess.run(["make", "-n", "deploy"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert plan.index("infra.before_deploy") < plan.index("infra.compose") < plan.index("sam deploy")


def test_wheels_of_a_runtime_are_those_that_its_glibc_loads() -> None:
    tags = NEWEST_BUT_ONE.platforms("aarch64")
    assert tags[0] == "manylinux_2_34_aarch64"
    assert {"manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"} <= set(tags)
    assert RUNTIMES[0].platforms("x86_64")[0] == "manylinux_2_26_x86_64"


def test_layers_of_aws_are_not_built_for_a_runtime_that_it_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Python 3\.11 cannot build what runs on AWS Lambda"):
        build.build("base", "arm64", (3, 11), tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A layer with one library that needs a newer glibc than 2.17, as DuckDB's wheels do."""
    package = Path(duckdb.__file__).parent
    [library, *_] = [*package.glob("_duckdb*.so"), *package.parent.glob("_duckdb*.so")]
    shutil.copy(library, tmp_path)
    return tmp_path


def test_what_a_library_needs_is_read_from_its_header(folder: Path) -> None:
    [library] = binaries.libraries(folder)
    machine, wanted = binaries.needs(library)
    assert machine in binaries.MACHINES.values()
    assert (2, 17) < wanted["GLIBC"] <= (2, 28)
    arch = next(name for name, value in binaries.MACHINES.items() if value == machine)
    assert list(binaries.problems(folder, NEWEST_BUT_ONE, arch)) == []
    old = Runtime((3, 8), {"GLIBC": (2, 17)}, deployable=False)
    [problem] = binaries.problems(folder, old, arch)
    assert problem.startswith(f"{library.name} needs GLIBC 2.")
    assert problem.endswith("; python3.8 has 2.17")


def test_a_library_of_the_other_architecture_or_of_none_is_found(folder: Path) -> None:
    [library] = binaries.libraries(folder)
    [other] = [arch for arch, machine in binaries.MACHINES.items() if machine != binaries.needs(library)[0]]
    [problem] = binaries.problems(folder, NEWEST_BUT_ONE, other)
    assert f"not for {other}" in problem
    (folder / "broken.so.1").write_text("GROUP ( libother.so )")
    (folder / "v0.7.1.some-named.parquet").write_text("no library")
    problems = list(binaries.problems(folder, NEWEST_BUT_ONE, other))
    assert len(problems) == 2
    assert any(problem.startswith("broken.so.1: broken.so.1 is no ELF file") for problem in problems)


@pytest.mark.slow
def test_modules_of_a_layer_are_compiled_by_the_interpreter_that_runs_them() -> None:
    """Without, a cold start compiles each of them: /opt is read-only."""
    inside = build.build("code", "local") / "python"
    sources = [path for path in inside.rglob("*.py") if path.stat().st_size]
    assert len(sources) > 200
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source)))
        head = compiled.read_bytes()[:8]
        assert head[:4] == importlib.util.MAGIC_NUMBER, compiled
        assert int.from_bytes(head[4:], "little") == 0b01, f"{compiled}: checked by the source's time or hash at import"


@pytest.mark.lambda_layers
@pytest.mark.timeout(900)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_library_of_every_layer_loads_on_lambda(arch: str) -> None:
    top = ROOT / "build" / f"layers-{arch}-{BUILT_FOR.name}"
    found = {}
    for name in build.names():
        if name != "code":
            folder = build.build(name, arch, BUILT_FOR.python, top)
            assert list(binaries.problems(folder, BUILT_FOR, arch)) == []
            found[name] = len(binaries.libraries(folder))
    assert {name for name, count in found.items() if count} == set(COMPILED)
    # The same layers on python3.11 would fail at import, which is why it is refused.
    eleven = Runtime((3, 11), AMAZON_LINUX_2, deployable=False)
    unfit = {name for name in COMPILED if list(binaries.problems(top / name, eleven, arch))}
    assert unfit >= {"git", "sftp", "arrow", "identity"}
    size = sum(build.size_bytes(top / name) for name in ("base", "aws", "arrow", "web"))
    assert size < build.HARD_LIMIT_BYTES
