"""An analyst's laptop: a home and a workspace of its own, with the `agnes` command and the Claude Code client."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from agnes.claude_code import versions
from tests.builders import real_transcripts
from tests.builders.claude_client import KEPT, ClaudeClient
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.target import Target

REAL_SESSION = real_transcripts.session_id("headless")
"""The stored transcript of what `tests/builders/claude_scenario.py` plays."""
SAMPLES = real_transcripts.FOLDER / versions.NEWEST


@dataclass(frozen=True)
class Laptop:
    target: Target
    home: Path
    workspace: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    claude_version: str = versions.NEWEST

    @classmethod
    def new(cls, target: Target, folder: Path, *, claude_version: str = versions.NEWEST, **environment: str) -> Laptop:
        """`folder` must not exist yet."""
        laptop = cls(target, folder / "home", folder / "ws", environment, claude_version)
        laptop.home.mkdir(parents=True)
        laptop.workspace.mkdir()
        return laptop

    def env(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return kept | {
            "HOME": str(self.home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "AGNES_CONFIG_DIR": str(self.home / "agnes"),
            "AGNES_SERVER": self.target.base_url,
            **self.environment,
        }

    def agnes(self, *arguments: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["agnes", *arguments], cwd=self.workspace, env=self.env(), input=stdin, capture_output=True, text=True,
            timeout=PATIENCE_SECONDS, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"agnes {arguments}: {done.stdout}{done.stderr}"
        return done

    def login(self, token: str) -> None:
        self.agnes("login", "--token-stdin", stdin=f"{token}\n")

    def push(self, *paths: Path) -> dict[str, Any]:
        """`agnes push PATHS`: what became of each file."""
        return json.loads(self.agnes("push", "--json", *map(str, paths)).stdout)

    def claude(self, api_url: str, **environment: str) -> ClaudeClient:
        """The real client as this person runs it, `agnes` on its PATH."""
        return ClaudeClient(
            self.home, self.workspace, api_url, {**self.env(), **environment}, version=self.claude_version
        )

    def keep_transcripts(self, session_id: str = REAL_SESSION, *, day: datetime | None = None) -> Path:
        """Put a stored session and its subagents where the client would, as of yesterday; its transcript.

        A resend has the same bytes, and no time lies ahead of its receipt.
        """
        day = day or datetime.now(UTC) - timedelta(days=1)
        project = self.home / ".claude" / "projects" / "-home-mira-ws"
        for stored in (SAMPLES / f"{session_id}.jsonl", *(SAMPLES / session_id).rglob("*.json*")):
            kept = project / stored.relative_to(SAMPLES)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(re.sub(r"2026-06-30(?=T)", f"{day:%Y-%m-%d}", stored.read_text()))
        return project / f"{session_id}.jsonl"
