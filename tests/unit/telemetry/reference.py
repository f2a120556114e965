"""Extraction, slow and obvious: plain dictionaries from json.loads, one rule after another. The product must agree.

`reference(files, received_at)` gives (invocations, prompts, what was taken, summary) of one session; `files` maps
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
LONG = (100_000, 200_000)


def reference(files: dict[str, bytes], received_at: datetime) -> dict[str, Any]:
    calls: dict[tuple, dict] = {}
    prompts: set = set()
    responses: list[dict] = []
    failed: set = set()
    times: list[datetime] = []
    lines = skipped = 0
    for name in sorted(files, key=lambda name: (name != "main", name)):
        typed: dict[str, dict] = {}
        number = segment = turn = 0
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
            if kind == "attachment" and name == "main" and not record.get("isSidechain"):
                queued(record, words(record.get("uuid")) or f"{name}:{number}", prompts, calls, typed)
            if kind not in ("user", "assistant"):
                continue
            message = record["message"]
            content = message.get("content")
            blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
            sidechain = bool(record.get("isSidechain")) or name != "main"
            anchor = words(record.get("uuid")) or f"{name}:{number}"
            if kind == "assistant":
                if message.get("model") != "<synthetic>":
                    cost(responses, record, (name, number, segment, turn))
                for block in blocks:
                    if block.get("type") == "tool_use":
                        call = tool_call(block)
                        key = (anchor, words(block.get("id")) or "", call["type"], call["tool"])
                        if key not in calls:
                            calls[key] = call
                            if call["skill"]:
                                same = [typed_name for typed_name in typed if same_skill(typed_name, call["skill"])]
                                exact = [typed_name for typed_name in same if typed_name == call["skill"]]
                                for typed_name in (exact or same)[:1]:
                                    typed.pop(typed_name)["counted"] = False
                continue
            segment += 1
            results = [block for block in blocks if block.get("type") == "tool_result"]
            failed |= {words(block.get("tool_use_id")) for block in results if block.get("is_error")}
            turn += not results
            if results or sidechain:
                continue
            texts = texts_of(content)
            if record.get("stackedExpansion"):
                commands(texts, anchor, calls, typed)
            elif is_prompt(record, texts, has_others(content)):
                prompts.add(anchor)
                typed = {}
                commands(texts, anchor, calls, typed)
    failed.discard(None)
    failed.discard("")
    for (_, tool_id, _, _), call in calls.items():
        call["is_error"] = tool_id in failed
    return {
        "calls": Counter(tuple(call.items()) for call in calls.values()),
        "prompts": len(prompts),
        "took": [row for response in responses for row in rows(response)],
        "lines": lines,
        "skipped": skipped,
        "summary": summary(list(calls.values()), prompts, responses, times),
    }


def same_skill(typed_name: str, called: str) -> bool:
    """Equal, or equal but for the prefix that one of them lacks."""
    if typed_name == called:
        return True
    if ":" in called[1:]:
        return typed_name == called.rsplit(":", maxsplit=1)[-1]
    return typed_name.endswith(":" + called)


NOBODYS = [
    "isMeta",
    "isCompactSummary",
    "isVisibleInTranscriptOnly",
    "isVirtual",
    "textNotTyped",
    "handedOff",
    "queueTranscriptOnly",
    "turnCompanion",
]
MADE_BY_THE_CLIENT = [
    *[
        "<local-command-",
        "<bash-stdout>",
        "<bash-stderr>",
        "<bash-exit-code>",
        "<task-notification",
        "<teammate-message",
    ],
    *["<agent-message", "<cross-session-message", "<coordinator-relay", "<slack-ping", "<slack-tag-message", "<tick"],
    *["<remote-review", "<fork-boilerplate", "<mcp-resource-update", "<mcp-polling-update", "<voice-call-talk"],
    *[
        "<system-reminder",
        "<system_reminder",
        "<ide_selection",
        "<ide_opened_file",
        "<ide_diagnostics",
        "<session-start-hook",
    ],
    *("<user-prompt-submit-hook", "<post-tool-use-hook", "<channel source=", "Stop hook feedback:"),
    *("[Request interrupted", "[This turn ended before", "[Agent call interrupted", "[Tool call did not complete"),
    "Caveat: The messages below were generated by the user",
    "This session is being continued from a previous conversation",
    *("Unknown slash command: ", "Unknown skill: "),
]


def is_prompt(record: dict, texts: list[str], others: bool) -> bool:
    if not others and not "".join(texts).strip():
        return False
    if any(record.get(flag) for flag in NOBODYS):
        return False
    if any(says_something(record.get(name)) for name in ("planContent", "wakeupSource")):
        return False
    if record.get("rowSource") in ("harness", "hook"):
        return False
    if record.get("turnOrigin") in (
        *("scheduled", "task_notification", "auto_continuation", "peer", "host_synthetic", "system"),
    ):
        return False
    kind = kind_of_origin(record)
    if kind is not None:
        return kind == "human"
    source = record.get("promptSource")
    if source == "system":
        return False
    if source in ("typed", "queued", "suggestion_accepted"):
        return True
    if source == "sdk" and record.get("turnOrigin") == "sdk":
        return True
    return others or any(is_persons(text) for text in texts)


def says_something(value: Any) -> bool:
    return value is not None and value is not False and value != ""


def queued(record: dict, anchor: str, prompts: set, calls: dict, typed: dict) -> None:
    found = record.get("attachment")
    if not isinstance(found, dict) or found.get("type") != "queued_command":
        return
    if any(found.get(flag) for flag in ("isMeta", "textNotTyped", "carriedByCompaction")):
        return
    if words(found.get("commandMode")) not in (None, "prompt", "bash"):
        return
    texts = texts_of(found.get("prompt"))
    if not has_others(found.get("prompt")) and not "".join(texts).strip():
        return
    kind = kind_of_origin(found)
    if kind is None:
        if not (has_others(found.get("prompt")) or any(is_persons(text) for text in texts)):
            return
    elif kind != "human":
        return
    prompts.add(words(found.get("source_uuid")) or anchor)
    commands(texts, anchor, calls, typed)


def kind_of_origin(found: dict) -> str | None:
    origin = found.get("origin")
    return words(origin.get("kind")) if isinstance(origin, dict) else None


def texts_of(content: Any) -> list[str]:
    if isinstance(content, str):
        return [content] if content else []
    blocks = content if isinstance(content, list) else []
    texts = [words(b.get("text")) for b in blocks if isinstance(b, dict) and b.get("type") == "text"]
    return [text for text in texts if text is not None]


def has_others(content: Any) -> bool:
    return isinstance(content, list) and any(isinstance(b, dict) and b.get("type") != "text" for b in content)


def is_persons(text: str) -> bool:
    text = text.lstrip()
    if not text or any(text.startswith(beginning) for beginning in MADE_BY_THE_CLIENT):
        return False
    launched = re.match(r"<command-message>.*?</command-message>\s*<command-name>[^/\n]", text)
    return not launched and not (text.startswith("<command-") and "<skill-format>true</skill-format>" in text)


def commands(texts: list[str], anchor: str, calls: dict, typed: dict) -> None:
    for text in texts:
        found = re.match(
            r"(?:<command-message>.*?</command-message>\s*)?<command-name>/(.+?)</command-name>", text.lstrip()
        )
        if found is None:
            continue
        command = name_of(found[1])
        key = (anchor, "", "slash_command", command)
        if key not in calls:
            call = {"type": "slash_command", "tool": None, "skill": None, "subagent": None}
            calls[key] = typed[command] = call | {"command": command, "counted": True}


def name_of(value: Any) -> str | None:
    """A name as it may be shown: what a terminal would obey is U+FFFD in it, and it ends after 500 characters."""
    found = words(value)
    if not found:
        return None
    return "".join("\ufffd" if ord(c) < 32 or 127 <= ord(c) < 160 else c for c in found[:500])


def parsed(raw: bytes) -> dict | None:
    try:
        record = json.loads(raw.decode("utf-8", "replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    if record.get("type") in ("user", "assistant") and not isinstance(record.get("message"), dict):
        return None
    return record


def words(value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    return "".join("\ufffd" if 0xD800 <= ord(letter) < 0xE000 else letter for letter in value)


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
    name = name_of(block.get("name"))
    given = block.get("input") if isinstance(block.get("input"), dict) else {}
    call = {"type": "tool_use", "tool": name, "skill": None, "subagent": None, "command": None, "counted": True}
    if name == "Skill":
        called = next((words(given[key]) for key in ("skill", "name", "command") if words(given.get(key))), "").strip()
        call["skill"] = name_of(called.removeprefix("/"))
    elif name in ("Task", "Agent"):
        call["type"] = "subagent"
        call["subagent"] = name_of(given.get("subagent_type")) or name
    elif name and name.startswith("mcp__"):
        call["type"] = "mcp_call"
    return call


def cost(responses: list[dict], record: dict, place: tuple) -> None:
    """Put the line into the response that it is one of, or into a new one. `place`: file, line, segment, turn."""
    name, _, segment, turn = place
    message = record["message"]
    usage = message.get("usage") if isinstance(message.get("usage"), dict) else {}
    ids = tuple(words(value) for value in (record.get("requestRef"), message.get("id"), record.get("requestId")))
    uuid, parent = words(record.get("uuid")), words(record.get("parentUuid"))
    given = counts(usage)
    found = None
    if ids[0] or ids[2]:
        found = next((r for r in responses if r["ids"] == ids), None)
    else:
        # The newest line that has the uuid, or the parent's, decides; without an id only the same line is the same response.
        for known in (uuid, parent) if ids[1] else (uuid,):
            lines = [(line[5], r) for r in responses for line in r["lines"] if known and line[0] == known]
            if lines and found is None and max(lines, key=lambda line: line[0])[1]["ids"][1] == ids[1]:
                found = max(lines, key=lambda line: line[0])[1]
        if found is None and ids[1]:
            lines = [
                (line[5], line, r) for r in responses for line in r["lines"] if line[1] == name and line[4] == ids[1]
            ]
            if lines:
                _, line, response = max(lines, key=lambda found: found[0])
                prompt = [response["tokens"][i] for i in (0, 2, 3)]
                alike = isinstance(message.get("usage"), dict) and any(prompt_of(usage)) and prompt_of(usage) == prompt
                if line[2] == segment or (line[3] == turn and len(ids[1]) >= 16 and alike):
                    found = response
    if found is None:
        found = {
            "ids": ids,
            "model": name_of(message.get("model")),
            "tokens": [0, 0, 0, 0],
            "hour": 0,
            "searches": 0,
            "lines": [],
        }
        found |= {"rate": [None, None, None], "iterations": []}
        responses.append(found)
    if not (ids[0] or ids[2]):
        number = sum(len(r["lines"]) for r in responses)
        found["lines"].append((uuid, name, segment, turn, ids[1], number))
    if not isinstance(message.get("usage"), dict):
        return
    found["tokens"] = [max(a, b) for a, b in zip(found["tokens"], given[:4], strict=True)]
    found["hour"] = max(found["hour"], min(given[4], found["tokens"][3]))
    tools = usage.get("server_tool_use")
    if isinstance(tools, dict):
        found["searches"] = max(found["searches"], count(tools.get("web_search_requests")))
    for i, (field, usual) in enumerate(
        (("speed", ("standard",)), ("service_tier", ("standard",)), ("inference_geo", ("", "global", "not_available")))
    ):
        word = words(usage.get(field))
        if field == "inference_geo" and word in ("global", "not_available"):
            found["rate"][i] = None
        elif word is not None and word not in usual:
            found["rate"][i] = (
                (word if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}", word) else "other") if word else None
            )
    entries = usage.get("iterations")
    written = json.dumps(entries).count('"type"')
    if written > 1 or (written == 1 and '"message"' not in json.dumps(entries)):
        found["iterations"] = entries if isinstance(entries, list) else []


def count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 10**9 else 0


def usage_int(usage: dict, name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def prompt_of(usage: dict) -> list[int]:
    return [usage_int(usage, TOKEN_NAMES[i]) or 0 for i in (0, 2, 3)]


def counts(usage: dict) -> list[int]:
    """Input, output, cache read, cache write, and those of the writes that are kept for an hour."""
    found = [count(usage.get(name)) for name in TOKEN_NAMES]
    kept = usage.get("cache_creation") if isinstance(usage.get("cache_creation"), dict) else {}
    hour = count(kept.get("ephemeral_1h_input_tokens"))
    if kept and usage_int(usage, "cache_creation_input_tokens") is None:
        found[3] = min(hour + count(kept.get("ephemeral_5m_input_tokens")), 10**9)
    return [*found, hour]


def long(tokens: list[int]) -> int:
    return max((tier for tier in LONG if tokens[0] + tokens[2] + tokens[3] > tier), default=0)


def rows(response: dict) -> list[tuple]:
    """What the response took: itself, and what is billed beside it."""
    own, hour, model = list(response["tokens"]), response["hour"], response["model"]
    entries = []
    for entry in response["iterations"][:64]:
        if isinstance(entry, dict):
            *took, kept = counts(entry)
            entries.append(
                [words(entry.get("type")) or "", words(entry.get("model")) or None, took, min(kept, took[3])]
            )
    rate, place = response["rate"], response["rate"][2]
    beside = [
        (name or model, took, kept, rate if kind == "compaction" else [None, None, place])
        for kind, name, took, kept in entries
        if kind in ("advisor_message", "compaction")
    ]
    fallbacks = [(name, took, kept, rate) for kind, name, took, kept in entries if kind == "fallback_message" and name]
    length = long(own)
    if fallbacks:
        *earlier, last = fallbacks
        beside += earlier
        model = last[0]
        if any(last[1]):
            own, hour = last[1], last[2]
            length = long(own)
    else:
        known = ("", "advisor_message", "compaction", "message")
        beside += [
            (name, took, kept, [None, None, place])
            for kind, name, took, kept in entries
            if kind not in known and name not in (None, model)
        ]
        sampled = [entry for entry in entries if entry[0] == "message"]
        if length and len(sampled) > 1 and [sum(n) for n in zip(*(e[2] for e in sampled), strict=True)] == own:
            left = max(0, hour - sum(entry[3] for entry in sampled))
            for entry in sampled:
                more = min(left, entry[2][3] - entry[3])
                entry[3] += more
                left -= more
            length = min(long(entry[2]) for entry in sampled)
            for tier in sorted({long(entry[2]) for entry in sampled} - {length}):
                alike = [entry for entry in sampled if long(entry[2]) == tier]
                took = [sum(n) for n in zip(*(entry[2] for entry in alike), strict=True)]
                kept = sum(entry[3] for entry in alike)
                own = [a - b for a, b in zip(own, took, strict=True)]
                hour -= kept
                beside.append((alike[0][1] or model, took, kept, rate, tier))
    found = [(True, name_of(model), *own, hour, response["searches"], *rate, length)]
    for name, took, kept, at, *tier in beside:
        if any(took):
            found.append((False, name_of(name), *took, kept, 0, *at, tier[0] if tier else long(took)))
    return found


def summary(calls: list[dict], prompts: set, responses: list[dict], times: list[datetime]) -> dict[str, Any]:
    times = sorted(times)
    gaps = [after - before for before, after in pairwise(times)]
    active = sum((gap for gap in gaps if gap <= timedelta(seconds=600)), timedelta(0)).total_seconds()
    models = [found[0][1] for found in map(rows, responses) if found[0][1] not in (None, "<synthetic>")]
    kinds = Counter(call["type"] for call in calls)
    took = [row for response in responses for row in rows(response)]
    totals = [sum(row[2 + i] for row in took) for i in range(6)]
    return {
        "started_at": times[0] if times else None,
        "ended_at": times[-1] if times else None,
        "wall_seconds": (times[-1] - times[0]).total_seconds() if times else 0,
        "active_seconds": active,
        "user_messages": len(prompts),
        "assistant_messages": len(responses),
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
        "cache_creation_1h_tokens": totals[4],
        "web_searches": totals[5],
    }
