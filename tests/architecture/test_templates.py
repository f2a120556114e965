"""Every template parses, and what it needs is there."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from agnes.edge.render import TEMPLATES, environment

PAGES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))


@pytest.mark.parametrize("name", PAGES)
def test_it_loads_under_strict_undefined(name: str) -> None:
    environment().get_template(name)


@pytest.mark.parametrize("name", [name for name in PAGES if not name.startswith("email/")])
def test_it_has_no_inline_script_or_style(name: str) -> None:
    """The content security policy would drop them."""
    text = (TEMPLATES / name).read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\son\w+=|javascript:", text), name


def test_what_templates_link_to_exists() -> None:
    for name in PAGES:
        for found in re.findall(r"static\('([^']+)'\)", (TEMPLATES / name).read_text()):
            assert (TEMPLATES / "static" / found).is_file(), f"{name} names {found}"


def test_there_are_templates() -> None:
    assert Path(TEMPLATES / "_layout" / "base.html").is_file()
    assert len(PAGES) > 3


def test_scripts_of_others_are_what_their_table_says() -> None:
    folder = TEMPLATES / "static" / "vendor"
    table = (folder / "README.md").read_text()
    scripts = [path for path in folder.iterdir() if path.suffix == ".js"]
    assert scripts
    for path in scripts:
        assert f"| {path.name} |" in table
        assert hashlib.sha256(path.read_bytes()).hexdigest() in table
