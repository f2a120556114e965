"""What is installed from a registry has one version and a hash, and only that is installed."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from agnes_local import install, npm, pins
from agnes_local.claude_install import ClaudeUnavailable

ROOT = Path(__file__).parents[3]
FILES = (pins.CONSTRAINTS, pins.LOCALSTACK, pins.LAMBDA_RUNTIME)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_pin_has_hashes(file: Path) -> None:
    found = pins.read(file)
    assert len(found) >= 10
    assert [pin.name for pin in found if not pin.hashes] == []
    assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for pin in found for digest in pin.hashes)


def test_everything_that_an_extra_asks_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {pin.name for pin in pins.read(pins.CONSTRAINTS)}
    for extra in project["optional-dependencies"]:
        asked = {pins.normalized(re.split(r"[\[ ;]", name)[0]) for name in pins.names(extra)}
        assert asked <= pinned, extra
    assert {"click", "httpx", "zstandard"} == set(pins.names())
    assert {"click", "duckdb", "anthropic", "gunicorn", "pytest"} <= set(pins.names("dev"))


def test_two_versions_of_a_name_are_for_different_environments() -> None:
    seen: dict[str, list[str]] = {}
    for pin in pins.read(pins.CONSTRAINTS):
        seen.setdefault(pin.name, []).append(pin.marker)
    assert {name: markers for name, markers in seen.items() if len(markers) > 1 and "" in markers} == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("six>=1.17\n", "pins no version: six>=1.17"),
        ("six\n", "pins no version: six"),
        ("six==1.*\n", r"pins no version: six==1\.\*"),
        ("-e .\n", "pins no version: -e"),
        ("six @ https://example.com/six.whl\n", "pins no version: six @"),
    ],
)
def test_what_pins_nothing_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "pins.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        pins.read(file)


def test_lines_are_read_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "pins.txt"
    file.write_text("".join(f"{pin.lines()}\n" for pin in pins.read(pins.CONSTRAINTS)))
    assert pins.read(file) == pins.read(pins.CONSTRAINTS)


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(ValueError, match="does not pin nonesuch"):
        pins.locked(["pip", "nonesuch"])
    with pytest.raises(ValueError, match="no extra 'nonesuch'"):
        pins.names("nonesuch")


def test_no_install_goes_without_hashes() -> None:
    """Each call of an installer in the files that install: hashes, or a folder of this checkout that is built from here."""
    makefile = (ROOT / "Makefile").read_text().splitlines()
    calls = [line for line in makefile if "$(PIP)" in line or "pip install" in line]
    assert len(calls) == 4  # one defines PIP
    bare = [line for line in calls if not re.search(r"--require-hashes|-e \.$|^PIP :=", line)]
    assert bare == []
    ci = (ROOT / ".ci" / "run").read_text()
    assert not re.search(r"pip install|uv |npm (i|install|ci)\b|go install", ci)


def wheel(folder: Path, name: str, version: str) -> Path:
    file = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


@pytest.mark.slow
def test_the_pinned_pip_refuses_another_file_of_the_same_version(tmp_path: Path) -> None:
    """The rule that layers and environments rest on: hashes are read from a constraints file."""
    wheel(tmp_path, "sample", "1.0")
    constraints, asked = tmp_path / "constraints.txt", tmp_path / "names.txt"
    constraints.write_text(f"sample==1.0 --hash=sha256:{'0' * 64}\n")
    asked.write_text("sample\n")
    command = [sys.executable, "-m", "pip", "install", "--no-index", "--find-links", str(tmp_path), "--require-hashes"]
    command += ["--no-deps", "--target", str(tmp_path / "there"), "-c", str(constraints), "-r", str(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "DO NOT MATCH THE HASHES" in done.stderr
    constraints.write_text("sample==1.0\n")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "must have their versions pinned" in done.stderr or "Hashes are required" in done.stderr
    assert not (tmp_path / "there" / "sample.py").exists()


def test_every_tool_of_npm_has_a_lock_with_integrity() -> None:
    tools = pins.npm_tools()
    assert {pins.npm_lock(tool, version) for tool, _, version in tools} == set(pins.NPM.iterdir())
    for tool, package, version in tools:
        lock = json.loads((pins.npm_lock(tool, version) / "package-lock.json").read_text())["packages"]
        assert lock[f"node_modules/{package}"]["version"] == version
        for name, one in lock.items():
            if name:
                algorithm, _, digest = one["integrity"].partition("-")
                assert (algorithm, len(base64.b64decode(digest))) == ("sha512", 64), name
                assert "resolved" not in one, "a lock names no registry"
            for needed in (*one.get("dependencies", ()), *one.get("optionalDependencies", ())):
                assert f"node_modules/{needed}" in lock, f"`npm ci` refuses a lock without {needed}"


def test_a_tool_without_a_lock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClaudeUnavailable, match=r"left-pad 1\.3\.0 has no lock"):
        npm.install(
            *("left-pad", "left-pad", "1.3.0", tmp_path / "home"),
            is_whole=lambda: False,
            seconds=60,
            unavailable=ClaudeUnavailable,
        )


def test_minio_is_built_from_pinned_modules() -> None:
    required, sums = (file.read_text() for file in install.MINIO_PINS)
    assert re.search(r"^tool github\.com/minio/minio$", required, re.MULTILINE)
    (version,) = re.findall(r"^\s*(?:require )?github\.com/minio/minio (v\S+)", required, re.MULTILINE)
    assert re.search(rf"^github\.com/minio/minio {re.escape(version)} h1:\S+=$", sums, re.MULTILINE)
    hashed = {tuple(line.split()[:2]) for line in sums.splitlines()}
    modules = re.findall(r"^\s+(\S+\.\S+/\S+|\S+\.\S+) (v\S+)", required, re.MULTILINE)
    assert len(modules) > 200
    assert [
        module for module in modules if module not in hashed and (module[0], f"{module[1]}/go.mod") not in hashed
    ] == []
