"""Installs the servers that tests need into a cache folder outside the checkout. Quick when there is nothing to do.

    <cache>/bin/minio                     built from its Go module, whose dependencies are in localstack/minio/go.sum
    <cache>/bin/oidc                      an OpenID provider, built from its Go module, as localstack/oidc pins it
    <cache>/localstack/<hash>/            LocalStack's virtual environment
    <cache>/lambda-runtime/<hash>/        awslambdaric and boto3: what Lambda has in /var/runtime
    <cache>/lambda-python/<hash>/         a bare interpreter for functions: nothing of this checkout can leak into one
    <cache>/lambda-executor/<hash>/       our executor plug-in

The hash is that of the pins (or sources) a folder was made from, so a changed pin makes a new folder and
two checkouts do not disturb each other. A folder counts when its `.complete` stands in it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from agnes_local import pins

HERE = Path(__file__).resolve().parents[1]
"""The checkout's localstack/ folder: pins and the executor's source."""

PYTHON_VERSION = "3.11"
"""LocalStack's. Functions run on the version that builds their layers: that of this interpreter."""
BUILDERS = ("setuptools", "wheel")
OIDC_PINS = [HERE / "oidc" / "go.mod", HERE / "oidc" / "go.sum"]
"""The OpenID provider's version, and the hashes of every module that it is built from."""
MINIO_PINS = [HERE / "minio" / "go.mod", HERE / "minio" / "go.sum"]
"""MinIO's version, and the hashes of every module that it is built from (`make pins`)."""


class InstallFailed(Exception):
    """What could not be installed, why, and what to do."""


def cache_folder() -> Path:
    return Path(os.environ.get("AGNES_CACHE_DIR") or Path.home() / ".cache" / "agnes").absolute()


def install_minio() -> Path:
    """The MinIO binary: one on the PATH, or built with Go (about 2 minutes on two cores)."""
    if on_path := shutil.which("minio"):
        return Path(on_path)
    return _built_with_go("minio", "MinIO", MINIO_PINS, "github.com/minio/minio")


def install_oidc() -> Path:
    """The OpenID provider's binary, built with Go (seconds)."""
    return _built_with_go("oidc", "the OpenID provider", OIDC_PINS, "github.com/zitadel/oidc/v3/example/server")


def _built_with_go(name: str, what: str, module: list[Path], package: str) -> Path:
    """A program of a Go module whose dependencies are all pinned; built anew when the pins change."""
    built = cache_folder() / "bin" / name
    stamp = built.with_name(f"{name}.pins")
    wanted = _digest(module)
    with _lock(name):
        if built.exists() and stamp.exists() and stamp.read_text() == wanted:
            return built
        go = shutil.which("go")
        if not go:
            raise InstallFailed(f"{what}: `go` is not on the PATH. Install Go 1.24 or newer.")
        staging = built.with_name(f"building-{name}")
        # Read-only: a module that go.sum does not have ends the build.
        command = [go, "build", "-mod=readonly", "-ldflags=-s -w", "-o", str(staging), package]
        _run(what, command, cwd=module[0].parent)
        staging.replace(built)
        stamp.write_text(wanted)
    return built


def install_localstack() -> Path:
    """The interpreter of LocalStack's environment; with it come the functions' interpreter and runtime folder."""
    lambda_python()
    lambda_runtime()
    executor()
    return localstack_python()


def localstack_python() -> Path:
    constraints = HERE / "constraints.txt"

    def fill(folder: Path) -> None:
        _venv(folder)
        first = folder / "first.txt"
        first.write_text("".join(f"{pin.lines()}\n" for pin in pins.read(constraints) if pin.name in BUILDERS))
        # Every version and hash is in the constraints file, so the index is asked for files only, never for choices.
        # Some of these are published as source: they are built by what is pinned and already here.
        for file in (first, constraints):
            arguments = ["--no-deps", "--require-hashes", "--no-build-isolation", "-r", str(file)]
            _pip(folder / "bin/python", arguments, "LocalStack")
        probe = [str(folder / "bin/python"), "-c", "import localstack.runtime.main"]
        _run("LocalStack", probe, env=os.environ | {"XDG_CACHE_HOME": str(folder / "cache")})

    return _once("localstack", [constraints], fill) / "bin/python"


def lambda_runtime() -> Path:
    runtime = HERE / "lambda-runtime.txt"

    def fill(folder: Path) -> None:
        arguments = ["--no-deps", "--require-hashes", "--target", str(folder), "-r", str(runtime)]
        _pip(lambda_python(), arguments, "the Lambda runtime client")

    return _once("lambda-runtime", [runtime], fill, _base_executable())


def lambda_python() -> Path:
    python = _base_executable()
    return _once("lambda-python", [], lambda folder: _venv(folder, python), python) / "bin/python"


def executor() -> Path:
    """A folder for PYTHONPATH that holds the plug-in and its entry point."""
    source = HERE / "executor"

    def fill(folder: Path) -> None:
        copy = folder / "source"  # building leaves files behind, and the checkout must stay clean
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        # setuptools is among LocalStack's pins: nothing is asked from an index.
        arguments = ["--no-deps", "--no-build-isolation", "--target", str(folder), str(copy)]
        _pip(localstack_python(), arguments, "the Lambda executor")
        shutil.rmtree(copy)

    return _once("lambda-executor", [*sorted(source.rglob("*.py")), source / "pyproject.toml"], fill)


def _once(kind: str, sources: Sequence[Path], fill: Callable[[Path], None], python: str | None = None) -> Path:
    """The folder made by `fill` from these files, for this interpreter or LocalStack's; made now if it is not there whole."""
    folder = cache_folder() / kind / _digest(sources, python or _base_python())[:16]
    complete = folder / ".complete"
    if complete.exists():
        return folder
    with _lock(kind):
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            fill(folder)
            complete.touch()
    return folder


def _digest(sources: Sequence[Path], also: str = "") -> str:
    digest = hashlib.sha256(f"{also}\n".encode())
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


def _base_executable() -> str:
    """The interpreter that the running virtual environment was made with."""
    found: str = getattr(sys, "_base_executable", "") or sys.executable
    return found


def _base_python(running: tuple[int, ...] = sys.version_info[:2]) -> str:
    """A Python 3.11 outside any virtual environment."""
    mine = ".".join(map(str, running))
    if mine == PYTHON_VERSION:
        return _base_executable()
    found = shutil.which(f"python{PYTHON_VERSION}")
    if not found:
        raise InstallFailed(
            f"LocalStack needs Python {PYTHON_VERSION}: this is {mine}, and no python{PYTHON_VERSION} is on the PATH. Install it."
        )
    return found


def uv() -> str | None:
    """The uv beside our own interpreter, or on the PATH."""
    return shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def _venv(folder: Path, python: str | None = None) -> None:
    _run("a virtual environment", [python or _base_python(), "-m", "venv", "--without-pip", str(folder)])


def _pip(python: Path, arguments: Sequence[str], what: str) -> None:
    """Installs into `python`'s environment with uv where there is one, else with the pip of our own interpreter.

    Neither compiles: of thousands of modules, few are ever imported.
    """
    command = (
        [found, "pip", "install", "--quiet", "--python", str(python)]
        if (found := uv())
        else [
            *(sys.executable, "-m", "pip", "--python", str(python), "install"),
            *("--quiet", "--no-warn-script-location", "--no-compile"),
        ]
    )
    _run(what, [*command, *arguments])


def _run(what: str, command: Sequence[str], env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, cwd=cwd)
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
        raise InstallFailed(
            f"{what} could not be installed: `{' '.join(command[:4])} …` ended with {done.returncode}:\n{tail}"
        )


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """One installer at a time on this machine; the others wait and then find the work done."""
    folder = cache_folder()
    (folder / "bin").mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
