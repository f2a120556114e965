"""`agnes store …` and `agnes admin store …` against a house."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.builders.archives import SKILL, packed

pytestmark = pytest.mark.slow


@pytest.fixture
def bob(shop):
    return shop.laptop("bob", git=False)


@pytest.fixture
def ada(shop):
    return shop.laptop("ada", git=False)


@pytest.fixture
def skill(tmp_path: Path) -> Path:
    folder = tmp_path / "release-notes"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("[core]")
    (folder / "SKILL.md").write_text(SKILL)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "link").symlink_to("/etc/passwd")
    return folder


def test_from_a_folder_to_an_approval(shop, bob, ada, skill):
    seen = bob.agnes("store", "upload", str(skill), "--preview")
    assert "notes-by-bob" in seen.stdout
    assert "a review" in seen.stdout
    made = bob.agnes("store", "upload", str(skill), "--category", "Productivity")
    assert (made.returncode, made.stdout.split()[0]) == (0, "notes-by-bob"), made.stderr
    [one] = bob.json("store", "mine")
    assert [one["label"], one["waiting"]["label"]] == ["Pending", "In review"]
    [line] = ada.json("admin", "store", "list")["items"]
    assert (line["served_name"], line["risk"]) == ("notes-by-bob", "none")
    shown = ada.agnes("admin", "store", "show", line["id"]).stdout
    assert "notes-by-bob" in shown
    assert ada.agnes("admin", "store", "reject", line["id"]).returncode == 1
    assert ada.agnes("admin", "store", "approve", line["id"]).stdout == "Version 1 of notes-by-bob is approved.\n"
    assert "Active" in bob.agnes("store", "mine").stdout
    saved = ada.workspace / "bundle.zip"
    assert ada.agnes("admin", "store", "download", line["id"], "--out", str(saved)).returncode == 0
    assert saved.read_bytes().startswith(b"PK")
    (skill / "SKILL.md").write_text(SKILL + "\nMore.\n")
    again = bob.agnes("store", "update", "notes", str(skill), "--changes", "More of it.")
    assert again.stdout == "Version 2 of notes-by-bob: in review.\n", again.stderr
    assert "More of it." in bob.agnes("store", "mine", "notes").stdout
    assert bob.agnes("store", "delete", "notes", "--withdraw").returncode == 0
    assert "in the Flea market" in bob.agnes("store", "notices").stdout
    assert bob.agnes("store", "delete", "notes", "--yes").stdout == "notes-by-bob is off the market.\n"
    assert bob.agnes("store", "delete", "notes", "--back").returncode == 0


def test_a_large_folder_goes_by_a_presigned_url(bob, skill):
    (skill / "data.bin").write_bytes(os.urandom(1_200_000))
    made = bob.agnes("store", "upload", str(skill), "--name", "large")
    assert made.stdout.startswith("large-by-bob is shared"), made.stderr


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        pytest.param("a.txt", b"text", "neither a zip archive nor a Markdown file", id="no archive"),
        pytest.param("a.zip", packed({"../x.md": "x"}), "leaves its folder", id="climbing"),
    ],
)
def test_refusals_are_the_servers_words(bob, tmp_path, name, body, says):
    file = tmp_path / name
    file.write_bytes(body)
    found = bob.agnes("store", "upload", str(file))
    assert found.returncode == 1
    assert says in found.stderr


def test_what_looks_like_a_secret_does_not_leave(bob, skill):
    (skill / ".env").write_text("TOKEN=1")
    found = bob.agnes("store", "upload", str(skill))
    assert (found.returncode, ".env looks like a secret" in found.stderr) == (2, True)


def test_the_status_line_says_how_many_notices_wait(shop, bob, ada, skill):
    bob.agnes("store", "upload", str(skill))
    [line] = ada.json("admin", "store", "list")["items"]
    ada.agnes("admin", "store", "reject", line["id"], "--reason", "Not this one.")
    assert bob.agnes("statusline", stdin="{}").stdout == ""
    bob.agnes("store", "notices", "--keep")
    assert bob.agnes("statusline", stdin="{}").stdout == "1 Flea market notice: agnes store notices\n"
    assert "Not this one." in bob.agnes("store", "notices").stdout
    assert bob.agnes("statusline", stdin="{}").stdout == ""
