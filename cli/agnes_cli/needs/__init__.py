"""Distributions that single commands need and that are installed at their first use: `<name>.txt` has versions and hashes.

They are in a folder of their own, `lib` beside the configuration, so that an upgrade of `agnes` neither loses them nor waits for them, and no
environment of the person's is changed.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import click

from agnes_cli import config
from agnes_cli.failures import Failure

FOLDER = Path(__file__).parent
SECONDS = 600


class NotInstalled(Failure):
    """What a command needs is not there and could not be installed."""


def load(name: str, module: str, *, what: str, install: bool = True, requirements: Path | None = None) -> ModuleType:
    """Import `module`, installed if need be. `what` is said while that takes its time. Raises NotInstalled."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as exc:
        if exc.name != module.partition(".")[0]:
            raise
    requirements = requirements or FOLDER / f"{name}.txt"
    folder = _folder(name, requirements)
    if not folder.is_dir():
        if not install:
            raise NotInstalled(f"{what} is not installed")
        _install(folder, requirements, what)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    importlib.invalidate_caches()
    return importlib.import_module(module)


def _folder(name: str, requirements: Path) -> Path:
    """One for each set of versions and each Python."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    return config.folder() / "lib" / f"{name}-{digest}-{sys.implementation.cache_tag}"


def _install(folder: Path, requirements: Path, what: str) -> None:
    if os.environ.get("AGNES_NO_INSTALL"):
        raise NotInstalled(
            f"{what} is not installed, and AGNES_NO_INSTALL is set", hint=f"Install what is in {requirements}."
        )
    uv = shutil.which("uv")
    pip = [uv, "pip"] if uv else [sys.executable, "-m", "pip"]
    click.echo(f"Installing {what}, once, into {folder.parent} …", err=True)
    staging = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = ["--quiet", "--require-hashes", "--only-binary", ":all:", "--target", str(staging)]
    python = ["--python", sys.executable] if uv else ["--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*pip, "install", *options, *python, "--requirement", str(requirements)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
        problem = "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]
    except (OSError, subprocess.TimeoutExpired) as exc:
        problem = type(exc).__name__
    if problem:
        shutil.rmtree(staging, ignore_errors=True)
        raise NotInstalled(
            f"{what} could not be installed: {problem}",
            hint="It comes from your Python package index, by uv or pip. `--remote` asks the server instead.",
        )
    try:
        staging.rename(folder)
    except OSError:  # another process was first
        shutil.rmtree(staging, ignore_errors=True)
        if not folder.is_dir():
            raise
    click.echo(f"{what} is installed.", err=True)
