"""The command that an installation serves: its wheel, and the scripts that install it."""

from __future__ import annotations

import csv
import hashlib
import io
import shutil
import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from agnes import wiring
from agnes.ops import command_wheel
from tests.builders.house import House
from tests.builders.house_server import HouseServer

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with House(tmp_path_factory.mktemp("house")) as made:
        yield made
        made.state.close()


def test_anybody_gets_the_latest(house):
    said = house.get("/cli/latest").json()
    answer = house.get(said["download_url_path"])
    assert answer.status == 200
    assert (hashlib.sha256(answer.body).hexdigest(), len(answer.body)) == (said["sha256"], said["size_bytes"])
    assert len(answer.body) <= 2_000_000
    assert house.get("/cli/download").headers["location"].endswith(said["download_url_path"])
    other = house.get("/cli/wheel/agnes-9.9.9-py3-none-any.whl")
    assert (other.status, other.json()["code"]) == (404, "wheel_not_found")
    assert house.get("/cli/install.exe").json()["code"] == "installer_not_found"


def test_it_holds_the_command_and_nothing_else():
    with zipfile.ZipFile(io.BytesIO(command_wheel.wheel())) as archive:
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"agnes_cli", "agnes-0.1.0.dist-info"}
        sources = {p.relative_to(ROOT / "cli").as_posix() for p in (ROOT / "cli").rglob("*.py")}
        assert sources == {name for name in names if name.endswith(".py")}
        assert "agnes_cli/needs/duckdb.txt" in names
        about = message_from_bytes(archive.read("agnes-0.1.0.dist-info/METADATA"))
        recorded = list(csv.reader(io.TextIOWrapper(archive.open("agnes-0.1.0.dist-info/RECORD"))))
    assert sorted(row[0] for row in recorded) == sorted(names)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert about.get_all("Requires-Dist") == project["dependencies"]
    assert (about["Version"], about["Requires-Python"]) == (project["version"], project["requires-python"])
    command_wheel.wheel.cache_clear()
    again = command_wheel.wheel()
    command_wheel.wheel.cache_clear()
    assert command_wheel.wheel() == again, "the same to the byte"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None and shutil.which("wget") is None, reason="curl or wget")
def test_one_line_installs_it(tmp_path):
    """Without uv; the distributions that it needs come from this environment instead of a registry."""
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    with House(tmp_path / "house") as house, HouseServer(house) as server:
        script = house.get("/cli/install.sh").body.decode().replace(wiring.settings().base_url, server.url)
        home, tools = tmp_path / "home", tmp_path / "bin"
        home.mkdir()
        tools.mkdir()
        for name in ("curl", "wget", "sh", "mktemp", "rm", "sha256sum", "mkdir", "ln"):
            if found := shutil.which(name):
                (tools / name).symlink_to(found)
        (tools / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        (tools / "python3").chmod(0o755)
        env = {"HOME": str(home), "PATH": str(tools), "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1", "PYTHONPATH": packages}
        done = subprocess.run(["sh"], input=script, env=env, capture_output=True, text=True, timeout=110, check=False)
        assert done.returncode == 0, done.stderr
        assert "Installed agnes 0.1.0" in done.stdout
        assert f"agnes onboard --server {server.url}" in done.stdout
        assert (home / ".local/share/agnes/venv/bin/agnes").exists()
        wrong = script.replace("sha256='", "sha256='0")
        refused = subprocess.run(["sh"], input=wrong, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert (refused.returncode, "nothing was installed" in refused.stderr) == (1, True)
        house.state.close()
