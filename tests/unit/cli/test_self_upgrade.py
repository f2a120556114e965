"""`agnes self-upgrade` in an environment of its own, with the real pip: what is served, what is damaged, what does not start."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from agnes.ops import command_wheel
from tests.builders.web_server import WebServer

pytestmark = pytest.mark.slow


def wheel(version: str, start: str = "") -> tuple[str, bytes]:
    """The served wheel, of another version; `start` is put before everything that it does."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(command_wheel.wheel())) as served, zipfile.ZipFile(buffer, "w") as made:
        for name in served.namelist():
            body = served.read(name)
            if name in ("agnes_cli/__init__.py", "agnes-0.1.0.dist-info/METADATA"):
                body = body.replace(b"0.1.0", version.encode())
            if name == "agnes_cli/start.py" and start:
                body = start.encode()
            if not name.endswith("RECORD"):
                made.writestr(name.replace("agnes-0.1.0", f"agnes-{version}"), body)
        made.writestr(f"agnes-{version}.dist-info/RECORD", "")
    return f"agnes-{version}-py3-none-any.whl", buffer.getvalue()


class Installed:
    """The command in an environment of its own, which has pip and what the command needs from this one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        needed = folder / "needed"
        needed.mkdir()
        packages = Path(next(path for path in sys.path if path.endswith("site-packages")))
        for entry in packages.iterdir():
            if "agnes" not in entry.name:
                (needed / entry.name).symlink_to(entry)
        [own] = (folder / "venv" / "lib").glob("python*/site-packages")
        (own / "needed.pth").write_text(f"{needed}\n")
        self.python = folder / "venv" / "bin" / "python"

    def install(self, name: str, body: bytes) -> None:
        file = self.folder / name
        file.write_bytes(body)
        done = self._run("pip", "install", "--quiet", "--no-index", "--no-deps", str(file))
        assert done.returncode == 0, done.stderr

    def agnes(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run("agnes_cli", *arguments)

    def _run(self, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.folder),
            "PIP_NO_INDEX": "1",
            "AGNES_SERVER": os.environ.get("S", ""),
        }
        return subprocess.run(
            [self.python, "-m", module, *arguments], env=env, cwd=self.folder, capture_output=True, text=True, timeout=100, check=False
        )  # fmt: skip


@pytest.fixture
def installed(tmp_path, monkeypatch):
    made = Installed(tmp_path)
    made.install(*wheel("0.0.9"))
    with WebServer() as web:
        monkeypatch.setenv("S", web.url())
        made.web = web
        yield made


def serve(web: WebServer, version: str, body: bytes, name: str, *, sha256: str | None = None) -> None:
    path = f"/cli/wheel/{name}"
    said = {
        "version": version, "wheel_filename": name, "sha256": sha256 or hashlib.sha256(body).hexdigest(), "download_url_path": path,
    }  # fmt: skip
    web.put("/cli/latest", json.dumps(said).encode(), "application/json")
    web.put(path, body, "application/zip")


def test_upgraded_or_left_as_it_was(installed):
    name, body = wheel("0.2.0")
    serve(installed.web, "0.2.0", body, name, sha256="0" * 64)
    refused = installed.agnes("self-upgrade")
    assert (refused.returncode, "is not what the server described" in refused.stderr) == (1, True)

    broken_name, broken = wheel("0.3.0", start="def main():\n    raise SystemExit('it does not start here')\n")
    serve(installed.web, "0.3.0", broken, broken_name)
    back = installed.agnes("self-upgrade")
    assert back.returncode == 1, back.stdout
    assert "agnes 0.0.9 is back" in back.stderr
    assert installed.agnes("--version").stdout == "agnes 0.0.9\n"

    serve(installed.web, "0.2.0", body, name)
    looked = installed.agnes("self-upgrade", "--check-only")
    assert (looked.returncode, looked.stdout) == (1, "agnes 0.2.0 is there; this is 0.0.9.\n")
    done = installed.agnes("self-upgrade")
    assert (done.returncode, done.stdout) == (0, "agnes 0.2.0 is installed; it was 0.0.9.\n"), done.stderr
    assert installed.agnes("--version").stdout == "agnes 0.2.0\n"
    assert installed.agnes("self-upgrade").stdout == "agnes 0.2.0 is up to date.\n"
    installed.web.fail("/cli/latest", 503)
    assert installed.agnes("self-upgrade", "--quiet").returncode == 0
    assert installed.agnes("self-upgrade").returncode == 1


def test_a_checkout_is_left_alone(office):
    done = office.laptop.agnes("self-upgrade", "--force")
    assert (done.returncode, "runs from a checkout" in done.stderr) == (1, True)
