"""Habits that a reading of the files can hold."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from agnes import settings
from agnes.ops import version

ROOT = Path(__file__).parents[2]

LONG_MODULE_LINES = 500
"""Asked about above this."""
LONGER_MODULES: dict[str, str] = {
    "tests/builders/uploads/tuning.py": "one list of samples, a short function each",
    "tests/builders/uploads/incidents.py": "one list of samples, a short function each",
    "tests/builders/uploads/untuned.py": "one list of samples, a short function each",
    "shared/agnes/wiring.py": "the one list of all parts, a few lines each",
    "shared/agnes/settings.py": "the one list of all settings, a few lines each, and what they must not be together",
    "shared/agnes/sql/child.py": "a program of its own that must import nothing of Agnes",
    "tests/architecture/test_least_privilege.py": "one life of the whole house, in its order: every function once",
    "tests/benchmarks/telemetry.py": "everything that is measured over one prepared store, one after the other",
}
"""Path → why it may be longer."""


def tracked() -> list[Path]:
    """Files that are, or are about to be, in the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[str, str]]:
    for path in tracked():
        if path.suffix not in (".png", ".woff2", ".ico", ".zst", ".parquet", ".zip", ".pack"):
            try:
                yield path.relative_to(ROOT).as_posix(), path.read_text()
            except UnicodeDecodeError:
                continue


def python_files() -> Iterator[tuple[str, str]]:
    return ((name, text) for name, text in texts() if name.endswith(".py"))


def test_nothing_is_patched() -> None:
    """Fakes are real adapters with a contract of their own; nothing is replaced behind anybody's back."""
    banned = {"patch", "MagicMock", "Mock", "AsyncMock", "monkeypatch"}
    wrong = []
    for name, text in python_files():
        for node in ast.walk(ast.parse(text)):
            imported = isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.dump(node).lower()
            if imported and "unittest" in ast.dump(node):
                wrong.append(f"{name}:{node.lineno}: imports unittest.mock")
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in banned - {"monkeypatch"}:
                wrong.append(f"{name}:{node.lineno}: {ast.unparse(node.func)}")
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "monkeypatch.setattr":
                wrong.append(f"{name}:{node.lineno}: monkeypatch.setattr")
    assert not wrong, "\n".join(wrong)


def test_no_file_names_a_registry_or_this_machine() -> None:
    # Put together here so that this file does not name them either.
    hosts = [r"pypi\." + "org", r"files\.python" + "hosted", r"registry\.npm" + "js", r"proxy\.golang" + r"\."]
    places = ["/" + "work/(main|shared)", "/" + "root/", r"/tmp/" + r"bash_jobs"]
    pattern = re.compile("|".join(hosts + places))
    wrong = [
        f"{name}:{number}: {found[0]}"
        for name, text in texts()
        if not name.startswith("tests/samples/")
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]
    assert not wrong, "\n".join(wrong)


def test_localstack_is_no_package() -> None:
    assert not (ROOT / "localstack" / "__init__.py").exists(), "it would hide LocalStack's own package"


def test_the_settings_are_documented() -> None:
    page = ROOT / "docs" / "settings.md"
    assert settings.table() in page.read_text(), "run `make docs`"


def test_the_version_is_one() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == version.NUMBER


def test_pins_are_in_constraints_only() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [*project["dependencies"], *(r for extra in project["optional-dependencies"].values() for r in extra)]
    for requirements in (ROOT / "layers").glob("*/requirements.txt"):
        named += requirements.read_text().split()
    assert not [name for name in named if re.search(r"[=<>~]", name)]


def test_layers_name_pinned_packages() -> None:
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for requirements in (ROOT / "layers").glob("*/requirements.txt"):
        unknown = set(requirements.read_text().split()) - pinned
        assert not unknown, f"{requirements}: {unknown}"


def test_modules_fit_one_thought() -> None:
    long = [
        f"{name}: {len(text.splitlines())} lines"
        for name, text in python_files()
        if len(text.splitlines()) > LONG_MODULE_LINES and name not in LONGER_MODULES
    ]
    assert not long, "split it, or say in LONGER_MODULES why not:\n" + "\n".join(long)


LONGER_FUNCTIONS = {"functions/admin/page_system/app.py": "five pages with a form each, one call a view (decision 147)"}


def test_functions_are_thin() -> None:
    long = [
        f"{name}: {lines} lines"
        for name, text in python_files()
        if name.startswith("functions/") and name not in LONGER_FUNCTIONS and (lines := len(text.splitlines())) > 60
    ]
    assert not long, "behaviour belongs in shared/:\n" + "\n".join(long)


@pytest.mark.parametrize("name", ["utils", "helpers", "common", "manager", "misc"])
def test_no_module_is_named(name: str) -> None:
    found = [path for path, _ in python_files() if Path(path).stem == name]
    assert not found, "a name says what is inside"
