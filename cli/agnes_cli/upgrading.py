"""Bring this installation of the command to the version that its server serves, or leave it as it was.

The wheel is checked against the SHA-256 that the server names. The one that runs now is packed before anything is changed; if the
new command does not start, or says another version, that one is installed again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from agnes_cli import VERSION, config
from agnes_cli.failures import Failure

if TYPE_CHECKING:
    from agnes_cli.server import Server

MOST_BYTES = 20_000_000
SECONDS = 300


class NotUpgraded(Failure):
    """The command that was there still is."""


@dataclass(frozen=True, slots=True)
class Latest:
    version: str
    filename: str
    sha256: str
    path: str

    @property
    def is_newer(self) -> bool:
        return _parts(self.version) > _parts(VERSION)


def latest(server: Server) -> Latest:
    """What the server serves. Raises Failure."""
    said = server.get("/cli/latest")
    try:
        found = Latest(
            str(said["version"]), str(said["wheel_filename"]), str(said["sha256"]), str(said["download_url_path"])
        )
        is_sound = (
            found.filename == Path(found.filename).name
            and found.filename.endswith(".whl")
            and found.path.startswith("/")
        )
        if not is_sound or not _parts(found.version):
            raise ValueError
    except (KeyError, TypeError, ValueError) as exc:
        raise Failure("the server does not say which command it serves", hint="Is it older than this command?") from exc
    return found


def upgrade(server: Server, wanted: Latest) -> None:
    """Raises NotUpgraded, with the former command in place."""
    installed = _installed()
    with TemporaryDirectory() as made:
        folder = Path(made)
        new = folder / wanted.filename
        _download(server, wanted, new)
        former = _pack(installed, folder / "former")
        problem = _install(new) or _differs(wanted.version)
        if not problem:
            return
        rolled_back = _install(former) or _differs(VERSION)
        if rolled_back:
            kept = config.folder() / former.name
            shutil.copyfile(former, kept)
            raise NotUpgraded(
                f"the upgrade failed ({problem}), and so did going back ({rolled_back})",
                hint=f"Install {kept} by hand.",
            )
        raise NotUpgraded(f"agnes {wanted.version} did not work here ({problem}); agnes {VERSION} is back")


def _installed() -> Distribution:
    """Raises NotUpgraded for what is not this command's own installation."""
    try:
        found = distribution("agnes")
    except PackageNotFoundError:
        raise NotUpgraded("this command was not installed as a package", hint="Use the way that it came by.") from None
    origin = found.read_text("direct_url.json")
    if origin and json.loads(origin).get("dir_info", {}).get("editable"):
        raise NotUpgraded("this command runs from a checkout", hint="Update the checkout (git pull) instead.")
    if sys.platform == "win32":  # a program that runs cannot be replaced there
        raise NotUpgraded(
            "on Windows a command cannot replace itself",
            hint='Run: powershell -c "irm SERVER/cli/install.ps1 | iex", with your server\'s address.',
        )
    return found


def _download(server: Server, wanted: Latest, target: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file, server.download(wanted.path) as pieces:
        for piece in pieces:
            size += len(piece)
            if size > MOST_BYTES:
                raise NotUpgraded("the wheel is larger than any of this command")
            digest.update(piece)
            file.write(piece)
    if digest.hexdigest() != wanted.sha256:
        raise NotUpgraded(
            "the wheel is not what the server described", hint="Something changes downloads on their way."
        )


def _pack(installed: Distribution, folder: Path) -> Path:
    """A wheel of what is installed now."""
    folder.mkdir()
    path = folder / f"agnes-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in installed.files or ():
            at = Path(str(installed.locate_file(file)))
            inside = file.parts[0] == "agnes_cli" or file.parts[0].endswith(".dist-info")
            if (
                inside
                and at.is_file()
                and at.suffix != ".pyc"
                and at.name not in ("direct_url.json", "INSTALLER", "REQUESTED")
            ):
                archive.write(at, file.as_posix())
    return path


def _install(wheel: Path) -> str:
    """Why it could not be installed; nothing if it was."""
    is_tool = (Path(sys.prefix) / "uv-receipt.toml").exists()
    uv = shutil.which("uv")
    if is_tool and uv:
        command = [uv, "tool", "install", "--quiet", "--force", "--reinstall-package", "agnes", str(wheel)]
    elif uv:
        command = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            sys.executable,
            "--reinstall-package",
            "agnes",
            str(wheel),
        ]
    else:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command[:3], "uninstall", "--quiet", "--yes", "agnes"], capture_output=True, check=False)
        command.append(str(wheel))
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        return type(exc).__name__
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1][:300]


def _differs(version: str) -> str:
    """Whether a new process of the command says another version, or does not start."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "agnes_cli", "--version"], capture_output=True, text=True, errors="replace", timeout=60,
            check=False, cwd=config.folder().parent if config.folder().parent.is_dir() else None,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as exc:
        return type(exc).__name__
    said = done.stdout.strip()
    if done.returncode == 0 and said == f"agnes {version}":
        return ""
    return f"it says {said[:80]!r}" if said else (done.stderr.strip().splitlines() or ["it does not start"])[-1][:200]


def _parts(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError:
        return ()
