"""Extraction, slow and obvious: plain dictionaries from json.loads, one rule after another. The product must agree.

`reference(files, received_at)` gives (invocations, prompts, messages, summary) of one session; `files` maps
`main` or a subagent's id to lines.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

TOKEN_NAMES = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


def reference(files: dict[str, bytes], received_at: datetime) -> dict[str, Any]:
    calls: dict[tuple, dict] = {}
    prompts: set = set()
    messages: dict[str, dict] = {}
    failed: set = set()
    times: list[datetime] = []
    lines = skipped = 0
    for name in sorted(files, key=lambda name: (name != "main", name)):
        typed: dict[str, dict] = {}
        number = 0
        for raw in files[name].split(b"\n"):
            if not raw.strip():
                continue
            lines += 1
            number += 1
            record = parsed(raw)
            if record is None:
                skipped += 1
                continue
            at = when(record.get("timestamp"), received_at)
            if at is not None:
                times.append(at)
            kind = record.get("type")
            if kind == "tool_use_result" and record.get("is_error"):
                failed.add(words(record.get("tool_use_id")) or words(record.get("toolUseId")))
            if kind not in ("user", "assistant"):
                continue
            message = record["message"]
            content = message.get("content")
            blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
            sidechain = bool(record.get("isSidechain")) or name != "main"
            anchor = words(record.get("uuid")) or f"{name}:{number}"
            if kind == "assistant":
                cost(messages, message, anchor, sidechain)
                for block in blocks:
                    if block.get("type") == "tool_use":
                        call = tool_call(block)
                        key = (anchor, words(block.get("id")) or "", call["type"], call["tool"])
                        if key not in calls:
                            calls[key] = call
                            if call["skill"] in typed:
                                typed.pop(call["skill"])["counted"] = False
                continue
            results = [block for block in blocks if block.get("type") == "tool_result"]
            failed |= {words(block.get("tool_use_id")) for block in results if block.get("is_error")}
            if results or sidechain or record.get("isMeta") or record.get("isCompactSummary"):
                continue
            if isinstance(content, str):
                texts = [content] if content else []
            else:
                texts = [words(b.get("text")) or "" for b in blocks if b.get("type") == "text"]
            if not texts and not blocks:
                continue
            starts = ("<local-command-", "<bash-stdout>", "<bash-stderr>", "[Request interrupted by user")
            if any(text.lstrip().startswith(starts) for text in texts):
                continue
            prompts.add(anchor)
            typed = {}
            for text in texts:
                for command in re.findall(r"<command-name>/([A-Za-z][\w:-]*)</command-name>", text):
                    key = (anchor, "", "slash_command", command)
                    if key not in calls:
                        calls[key] = {
                            "type": "slash_command",
                            "tool": None,
                            "skill": None,
                            "subagent": None,
                            "command": command,
                            "counted": True,
                        }
                        typed[command] = calls[key]
    failed.discard(None)
    failed.discard("")
    for (_, tool_id, _, _), call in calls.items():
        call["is_error"] = tool_id in failed
    return {
        "calls": Counter(tuple(call.items()) for call in calls.values()),
        "prompts": len(prompts),
        "messages": messages,
        "lines": lines,
        "skipped": skipped,
        "summary": summary(list(calls.values()), prompts, messages, times),
    }


def parsed(raw: bytes) -> dict | None:
    try:
        record = json.loads(raw.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    if record.get("type") in ("user", "assistant") and not isinstance(record.get("message"), dict):
        return None
    return record


def words(value: Any) -> str | None:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else None


def when(value: Any, received_at: datetime) -> datetime | None:
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            at = datetime.fromtimestamp(value / 1000 if abs(value) > 1e11 else value, UTC)
        else:
            return None
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None if at < datetime(2024, 1, 1, tzinfo=UTC) else min(at, received_at)


def tool_call(block: dict) -> dict:
    name = words(block.get("name")) or None
    given = block.get("input") if isinstance(block.get("input"), dict) else {}
    call = {"type": "tool_use", "tool": name, "skill": None, "subagent": None, "command": None, "counted": True}
    if name == "Skill":
        found = [words(given.get(key)) for key in ("skill", "name", "command")]
        call["skill"] = next((skill for skill in found if skill), None)
    elif name in ("Task", "Agent"):
        call["type"] = "subagent"
        call["subagent"] = words(given.get("subagent_type")) or name
    elif name and name.startswith("mcp__"):
        call["type"] = "mcp_call"
    return call


def cost(messages: dict, message: dict, anchor: str, sidechain: bool) -> None:
    usage = message.get("usage") if isinstance(message.get("usage"), dict) else {}
    given = [usage.get(name) for name in TOKEN_NAMES]
    tokens = [n if isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= 10**9 else 0 for n in given]
    key = words(message.get("id")) or anchor
    found = messages.setdefault(key, {"tokens": [0, 0, 0, 0], "model": words(message.get("model")) or None})
    found["tokens"] = [max(a, b) for a, b in zip(found["tokens"], tokens, strict=True)]


def summary(calls: list[dict], prompts: set, messages: dict, times: list[datetime]) -> dict[str, Any]:
    times = sorted(times)
    gaps = [after - before for before, after in pairwise(times)]
    active = sum((gap for gap in gaps if gap <= timedelta(seconds=600)), timedelta(0)).total_seconds()
    models = [m["model"] for m in messages.values() if m["model"] not in (None, "<synthetic>")]
    kinds = Counter(call["type"] for call in calls)
    totals = [sum(m["tokens"][i] for m in messages.values()) for i in range(4)]
    return {
        "started_at": times[0] if times else None,
        "ended_at": times[-1] if times else None,
        "wall_seconds": (times[-1] - times[0]).total_seconds() if times else 0,
        "active_seconds": active,
        "user_messages": len(prompts),
        "assistant_messages": len(messages),
        "tool_calls": kinds["tool_use"],
        "tool_errors": sum(call["is_error"] for call in calls),
        "skill_invocations": sum(call["skill"] is not None for call in calls),
        "subagent_dispatches": kinds["subagent"],
        "mcp_calls": kinds["mcp_call"],
        "slash_commands": kinds["slash_command"],
        "distinct_tools": len({call["tool"] for call in calls} - {None}),
        "distinct_skills": len({call["skill"] for call in calls} - {None}),
        "primary_model": max(dict.fromkeys(models), key=models.count, default=None),
        "input_tokens": totals[0],
        "output_tokens": totals[1],
        "cache_read_tokens": totals[2],
        "cache_creation_tokens": totals[3],
    }
