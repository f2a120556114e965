"""What is installed counts only when it is whole, and a failure says what to do."""

import os
import pathlib
import subprocess
import sys

import pytest

from agnes_local import install

pytestmark = pytest.mark.slow

LOCALSTACK = pathlib.Path(install.__file__).parents[1]
INSTALLERS = ("uv", "pip") if install.uv() else ("pip",)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AGNES_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def pins(tmp_path):
    path = tmp_path / "pins.txt"
    path.write_text("a==1\n")
    return path


def test_a_half_made_folder_is_made_again(pins):
    def breaks(folder):
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        install._once("thing", [pins], breaks)
    made = install._once("thing", [pins], lambda folder: (folder / "whole").touch())
    assert {path.name for path in made.iterdir()} == {"whole", ".complete"}
    assert install._once("thing", [pins], breaks) == made


def test_a_changed_pin_makes_another_folder(pins):
    first = install._once("thing", [pins], lambda _: None)
    pins.write_text("a==2\n")
    assert install._once("thing", [pins], lambda _: None) != first


def test_without_go_and_minio_the_installer_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(install.InstallFailed, match="Install Go"):
        install.install_minio()


def test_a_minio_on_the_path_is_used(monkeypatch, tmp_path):
    binary = tmp_path / "minio"
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert install.install_minio() == binary


def test_a_failing_build_shows_its_last_words(monkeypatch, tmp_path):
    go = tmp_path / "go"
    go.write_text("#!/bin/sh\necho 'no such module' >&2\nexit 1\n")
    go.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = [sys.executable, "-m", "agnes_local.servers", "install", "minio"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no such module" in done.stderr
    assert "Traceback" not in done.stderr


def test_another_python_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(install.InstallFailed, match=r"needs Python 3\.11: this is 3\.12"):
        install._base_python((3, 12))


@pytest.mark.localstack
@pytest.mark.slow
@pytest.mark.parametrize("installer", INSTALLERS)
def test_localstack_installs_from_its_pins_alone(installer, tmp_path):
    """By each installer that is here, into an empty cache; --no-deps, so a pin that is missing shows when it is imported."""
    python, environment = sys.executable, os.environ | {"PYTHONPATH": str(LOCALSTACK)}
    if installer == "pip":
        python = str(tmp_path / "venv/bin/python")
        subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
        environment |= {"PATH": os.defpath}
    command = [python, "-m", "agnes_local.servers", "install", "localstack"]
    first = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert first.returncode == 0, first.stderr
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert float(again.stdout.rpartition("(")[2].split()[0]) < 2
