"""The pins: an exact version and the hashes of everything that this checkout installs from a registry.

    python localstack/agnes_local/pins.py names [EXTRA]    distributions that the command asks for, and an extra
    python localstack/agnes_local/pins.py locked NAME …    their lines of constraints.txt: version and hashes
    make pins [UPGRADE=all|NAME]                           resolves all of them again

`names` and `locked` run before anything is installed, so this module imports the standard library only. Resolving is
left to uv, npm and Go; none of the files that they write here names a registry.

    constraints.txt                        Python, for every platform: the product, its layers, its tests
    localstack/constraints.txt             LocalStack's own environment
    localstack/lambda-runtime.txt          what Lambda has in /var/runtime
    localstack/npm/                        a folder for each tool of npm and its version: package.json and package-lock.json
    cli/agnes_cli/needs/                   what single commands install at their first use, in the versions of constraints.txt
    localstack/minio/                      go.mod and go.sum of MinIO
    localstack/oidc/                       the same of the OpenID provider that tests sign in with
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
LOCALSTACK = ROOT / "localstack" / "constraints.txt"
LAMBDA_RUNTIME = ROOT / "localstack" / "lambda-runtime.txt"
NPM = ROOT / "localstack" / "npm"
MINIO = ROOT / "localstack" / "minio"
OIDC = ROOT / "localstack" / "oidc"
NEEDS = ROOT / "cli" / "agnes_cli" / "needs"

OLDEST_PYTHON = "3.11"
LOCALSTACK_UNTIL = "2026-01-10"
"""LocalStack 4.12.0, the newest that runs on Python 3.11, does not start with dependencies of later dates."""
QUIET = ("--quiet", "--no-annotate", "--no-header", "--no-emit-index-url", "--generate-hashes")

HEADS = (
    "# Versions and hashes of everything that is installed from a Python registry, written by `make pins`.\n"
    "# Every install in this checkout refuses whatever has another hash.\n"
)


@dataclass(frozen=True, slots=True)
class Pin:
    name: str
    """As normalised for comparison: lower case, hyphens."""
    version: str
    marker: str
    """An environment marker, or nothing."""
    hashes: frozenset[str]
    """SHA-256 in hexadecimal digits, of each file of this version."""

    def lines(self) -> str:
        """As a requirements file has it."""
        marker = f" ; {self.marker}" if self.marker else ""
        hashes = [f"--hash=sha256:{digest}" for digest in sorted(self.hashes)]
        return " \\\n    ".join([f"{self.name}=={self.version}{marker}", *hashes])


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def read(file: Path) -> list[Pin]:
    """The pins of a requirements file. Raises ValueError, naming a line that pins nothing."""
    found = []
    for statement in file.read_text().replace("\\\n", " ").splitlines():
        text = statement.partition("#")[0].strip()
        if not text:
            continue
        requirement, *hashes = re.split(r"\s+--hash=", text)
        pinned, _, marker = requirement.partition(";")
        name, equals, version = pinned.strip().partition("==")
        if not equals or not re.fullmatch(r"[\w.-]+", name) or not re.fullmatch(r"[\w.!+-]+", version):
            raise ValueError(f"{file}: this pins no version: {text[:80]}")
        digests = frozenset(digest.removeprefix("sha256:").strip() for digest in hashes)
        found.append(Pin(normalized(name), version, marker.strip(), digests))
    return found


def names(extra: str | None = None, project: Mapping[str, Any] | None = None) -> list[str]:
    """What the `agnes` command and an extra ask for, with the extras that one names. Raises ValueError."""
    table = project or tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = table["optional-dependencies"]

    def asked(one: str) -> Iterator[str]:
        if one not in extras:
            raise ValueError(f"pyproject.toml has no extra {one!r}; there are {', '.join(extras)}")
        for requirement in extras[one]:
            if own := re.fullmatch(r"agnes\[(.+)\]", requirement):
                for inner in own[1].split(","):
                    yield from asked(inner.strip())
            else:
                yield requirement

    return list(dict.fromkeys([*table["dependencies"], *(asked(extra) if extra else ())]))


def locked(wanted: Iterable[str]) -> str:
    """Requirements lines, whole with hashes. Raises ValueError for what is not pinned."""
    pinned = {pin.name: pin for pin in read(CONSTRAINTS) if not pin.marker}
    if missing := [name for name in wanted if normalized(name) not in pinned]:
        raise ValueError(f"constraints.txt does not pin {', '.join(missing)}")
    return "".join(f"{pinned[normalized(name)].lines()}\n" for name in wanted)


def npm_lock(tool: str, version: str) -> Path:
    """The folder with the lock of a tool; it may not be there."""
    return NPM / f"{tool}-{version}"


def renew(upgrade: str) -> None:
    """Resolve everything again. Versions stay as they are, except of what `upgrade` names: a distribution, or `all`."""
    options = ["--upgrade"] if upgrade == "all" else ["--upgrade-package", upgrade] if upgrade else []
    universal = ["--all-extras", "--universal"]
    _compile(ROOT / "pyproject.toml", CONSTRAINTS, [*universal, *options])
    _compile(ROOT / "localstack" / "lambda-runtime.in", LAMBDA_RUNTIME, options)
    _compile(ROOT / "localstack" / "requirements.txt", LOCALSTACK, ["--exclude-newer", LOCALSTACK_UNTIL])
    for wanted in sorted(NEEDS.glob("*.in")):
        _compile(wanted, wanted.with_suffix(".txt"), ["--universal", "--constraint", str(CONSTRAINTS)])
    for tool, package, version in npm_tools():
        _lock_npm(tool, package, version)
    for module in (MINIO, OIDC):
        _run(["go", "mod", "tidy"], cwd=module)


def npm_tools() -> list[tuple[str, str, str]]:
    """Name of its lock, package and version of each tool that is installed by npm."""
    from agnes.claude_code import versions
    from agnes_local import axe_install, ccusage_install, claude_install

    return [
        *(("claude", claude_install.PACKAGE, version) for version in versions.TESTED),
        ("ccusage", ccusage_install.PACKAGE, ccusage_install.CCUSAGE_VERSION),
        ("axe", axe_install.PACKAGE, axe_install.AXE_VERSION),
    ]


def _compile(source: Path, target: Path, options: list[str]) -> None:
    """Run uv. It keeps the versions that `target` has, unless the options say otherwise."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    if uv is None:
        raise ValueError("uv is missing: run this by `make pins`")
    command = [uv, "pip", "compile", *QUIET, "--python-version", OLDEST_PYTHON, *options]
    _run([*command, "--output-file", str(target), str(source)], cwd=ROOT)
    target.write_text(HEADS + target.read_text().removeprefix(HEADS))


def _lock_npm(tool: str, package: str, version: str) -> None:
    folder = npm_lock(tool, version)
    folder.mkdir(parents=True, exist_ok=True)
    asked = {"name": f"agnes-{tool}", "version": "0.0.0", "private": True, "dependencies": {package: version}}
    (folder / "package.json").write_text(json.dumps(asked, indent=2) + "\n")
    flags = ["--package-lock-only", "--ignore-scripts", "--no-audit", "--no-fund", "--omit-lockfile-registry-resolved"]
    _run(["npm", "install", "--loglevel=error", *flags], cwd=folder)


def _run(command: list[str], cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise ValueError(f"`{' '.join(command[:4])} …` in {cwd.name} ended with {done.returncode}:\n{said}")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    acts = parser.add_subparsers(dest="act", required=True)
    acts.add_parser("names").add_argument("extra", nargs="?")
    acts.add_parser("locked").add_argument("names", nargs="+")
    acts.add_parser("renew").add_argument("--upgrade", default="", metavar="NAME", help="a distribution, or `all`")
    options = parser.parse_args()
    try:
        if options.act == "names":
            print("\n".join(names(options.extra)))
        elif options.act == "locked":
            sys.stdout.write(locked(options.names))
        else:
            renew(options.upgrade)
    except (ValueError, OSError) as error:
        print(f"pins: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
