"""The managed settings that *Connect Claude Code* shows, read by the real client as a laptop's device management gives them."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from agnes.profile.connect_page import managed_settings
from tests.builders.claude_client import ClaudeClient
from tests.builders.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.client,
    pytest.mark.skipif(
        os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounts /etc/claude-code: needs root"
    ),
]
SERVER = "https://agnes.example.com"
MANAGED = Path("/etc/claude-code")


@pytest.fixture
def laptop(tmp_path: Path, claude_version: str) -> ClaudeClient:
    for folder in (tmp_path / ".agnes" / "marketplace", tmp_path / "other"):
        (folder / ".claude-plugin").mkdir(parents=True)
        document = {"name": "agnes", "owner": {"name": "Agnes"}, "plugins": []}
        (folder / ".claude-plugin" / "marketplace.json").write_text(json.dumps(document))
    return ClaudeClient(tmp_path, tmp_path, version=claude_version)


def add(laptop: ClaudeClient, settings: str, source: str) -> str:
    """What `claude plugin marketplace add` prints under these settings; the mount is seen by this process alone."""
    managed = laptop.home / "managed"
    managed.mkdir(exist_ok=True)
    (managed / "managed-settings.json").write_text(settings)
    MANAGED.mkdir(exist_ok=True)
    binary = shlex.quote(str(laptop.binary))
    script = f"mount --bind {managed} {MANAGED} && exec {binary} plugin marketplace add {shlex.quote(source)}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        env=laptop.env(),
        cwd=laptop.workspace,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


def test_with_the_command_its_folder_is_allowed_and_nothing_else(laptop: ClaudeClient):
    with_command, _ = managed_settings(SERVER)
    assert "Successfully added" in add(laptop, with_command, str(laptop.home / ".agnes" / "marketplace"))
    for source in (str(laptop.home / "other"), f"{SERVER}/marketplace.git"):
        assert "blocked by enterprise policy" in add(laptop, with_command, source)


def test_without_the_command_git_is_asked_and_nothing_else(laptop: ClaudeClient):
    _, without = managed_settings(SERVER)
    asked = add(laptop, without, f"{SERVER}/marketplace.git")
    assert "blocked" not in asked
    assert "agnes.example.com" in asked  # that it cannot be reached here is git's own error
    for source in (str(laptop.home / "other"), "https://elsewhere.example.com/x.git"):
        assert "Successfully added" not in add(laptop, without, source)
