"""Knowledge in a workspace: rule files that Claude Code loads with every session (`.claude/rules/km_*.md`).

One file for each mandatory item, one for all the others. Files of items that are no longer given are removed, the last one too. What
colleagues wrote is text in a prompt: `@` is written out, since the client reads `@path` as an import of a file of this computer.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agnes_cli import sessions_with
from agnes_cli.server import Server

PREFIX = "km_"
APPROVED = f"{PREFIX}approved.md"
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_DOMAINS = re.compile(r"<!--\s*agnes:\s*domains\s*=\s*([A-Za-z0-9_, -]{1,500})-->")
_COMMENT = re.compile(r"<!--|-->")
MOST_READ = 200_000
"""Characters of a workspace's CLAUDE.md that are looked at."""


@dataclass(frozen=True)
class Pulled:
    """What a pull did to the workspace."""

    written: list[str]
    removed: list[str]
    unchanged: int
    mandatory: int
    approved: int
    tokens: int
    budget: int
    left_out: int
    warnings: list[str]

    def as_json(self) -> dict[str, Any]:
        return dict(vars(self))


def domains(root: Path) -> list[str]:
    """Domains that the workspace's CLAUDE.md asks for: `<!-- agnes: domains=finance, data -->`; empty for all."""
    for file in (root / "CLAUDE.md", root / ".claude" / "CLAUDE.md"):
        try:
            found = _DOMAINS.search(file.read_text(encoding="utf-8", errors="replace")[:MOST_READ])
        except OSError:
            continue
        if found:
            return [word.strip() for word in found[1].split(",") if word.strip()]
    return []


def pull(server: Server, root: Path) -> Pulled:
    """Bring the workspace's files up to date. Raises Failure; then nothing was changed."""
    wanted = domains(root)
    bundle = server.get("/api/knowledge/bundle", domains=",".join(wanted) or None)
    files = _files(bundle)
    folder = root / ".claude" / "rules"
    there = {path.name: path for path in folder.glob(f"{PREFIX}*.md")} if folder.is_dir() else {}
    written, unchanged = [], 0
    for name, text in files.items():
        if name in there and _read(there[name]) == text:
            unchanged += 1
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / name, text)
        written.append(name)
    sessions_with.write(root, [item["id"] for kind in ("mandatory", "approved") for item in bundle[kind]])
    removed = sorted(there.keys() - files.keys())
    for name in removed:
        there[name].unlink(missing_ok=True)
    return Pulled(
        written,
        removed,
        unchanged,
        len(bundle["mandatory"]),
        len(bundle["approved"]),
        bundle["token_estimate"],
        bundle["token_budget"],
        bundle["left_out"],
        list(bundle["warnings"]),
    )


def _files(bundle: Mapping[str, Any]) -> dict[str, str]:
    files = {f"{PREFIX}{item['id']}.md": _mandatory(item) for item in bundle["mandatory"] if _ID.fullmatch(item["id"])}
    if bundle["approved"]:
        parts = ["# Shared knowledge", "", "Facts that colleagues verified and an admin approved.", ""]
        for item in bundle["approved"]:
            parts += [f"## {_line(item['title'])}", "", *_about(item), _text(item["content"]), ""]
        files[APPROVED] = "\n".join(parts).rstrip() + "\n"
    return files


def _mandatory(item: Mapping[str, Any]) -> str:
    parts = [f"# {_line(item['title'])}", "", "Mandatory in this organisation.", ""]
    if item.get("reason"):
        parts += [f"Reason: {_line(item['reason'])}", ""]
    return "\n".join([*parts, *_about(item), _text(item["content"])]).rstrip() + "\n"


def _about(item: Mapping[str, Any]) -> list[str]:
    facts = [item.get("domain"), item.get("category")]
    since, until = (str(item.get(name) or "")[:10] for name in ("decided_at", "valid_until"))
    facts += [f"since {since}" if since else "", f"valid until {until}" if until else ""]
    said = "; ".join(_line(str(fact)) for fact in facts if fact)
    return [f"({said})", ""] if said else []


def _line(text: str) -> str:
    return " ".join(_text(text).split())


def _text(text: str) -> str:
    return _COMMENT.sub("", text).replace("@", "(at)")


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str) -> None:
    """Whole or not at all: a session may begin at any time."""
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=".km-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(made).replace(path)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise
