"""The recorded transcripts of the real client in `tests/samples/transcripts/real`, a folder for each version.

`tests/builders/record_transcripts.py` makes them; `sessions.json` of a folder names each session's id.
"""

from __future__ import annotations

import json
from pathlib import Path

from agnes.claude_code import versions

FOLDER = Path(__file__).parents[1] / "samples" / "transcripts" / "real"
NAMES = ("headless", "typed", "cleared", "busy", "background", "fork")
"""What each session holds is in the folder's README.md."""


def session_id(name: str, version: str = versions.NEWEST) -> str:
    return json.loads((FOLDER / version / "sessions.json").read_text())[name]


def main_file(name: str, version: str = versions.NEWEST) -> Path:
    return FOLDER / version / f"{session_id(name, version)}.jsonl"


def subagent_files(name: str, version: str = versions.NEWEST) -> list[Path]:
    return sorted((FOLDER / version / session_id(name, version)).rglob("agent-*.jsonl"))
