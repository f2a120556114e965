"""Builds the wheel of the `agnes` command into build/wheel/, and lists it with what it needs in build/sbom/command.cdx.json.

    python -m layers.wheel

What is listed is what this machine would install: a distribution may have another file, with another hash, elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path

from layers import sbom

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "wheel"


def build() -> Path:
    """The wheel that an installation of this checkout serves, made anew."""
    from agnes.ops import command_wheel

    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    wheel = FOLDER / command_wheel.filename()
    wheel.write_bytes(command_wheel.wheel())
    return wheel


def list_contents(wheel: Path) -> Path:
    """Write what installing the wheel brings, as CycloneDX. Nothing is installed."""
    requirements = FOLDER / "requirements.txt"
    pins = ROOT / "localstack" / "agnes_local" / "pins.py"
    requirements.write_bytes(subprocess.run([sys.executable, pins, "names"], check=True, capture_output=True).stdout)
    report = FOLDER / "report.json"
    _pip(
        *("install", "--dry-run", "--ignore-installed", "--require-hashes", "--only-binary=:all:"),
        *("--constraint", str(ROOT / "constraints.txt"), "--requirement", str(requirements), "--report", str(report)),
    )
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    about = sbom.subject("agnes", f"{platform.system().lower()} {platform.machine()}", sha256=digest)
    return sbom.write("command", about, json.loads(report.read_text()))


def _pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments], check=True)


def main() -> int:
    wheel = build()
    print(f"{wheel.relative_to(ROOT)}\n{list_contents(wheel).relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
