"""What a version of Claude Code has that our tables do not: `make client-drift`, or `python -m tests.builders.client_drift [VERSION]`.

Asked without a version, the newest published one. The client itself is the source: lists in its binary (types of records, hook
events), `--help` (subcommands), `claude plugin validate` (fields of manifests), the first event of a session (tools), and the
transcripts of the sessions of `claude_scenario` (fields of records and of `usage`). Exit code: 0 nothing new, 1 something, 2 it could not look.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from agnes.claude_code import records, surface
from agnes_local.claude_install import PACKAGE, ClaudeUnavailable, claude_binary
from tests.builders.claude_client import ClaudeClient
from tests.builders.patience import PATIENCE_SECONDS
from tests.builders.scripted_messages_api import Reply, Script, ScriptedMessagesApi, text

NEVER_ONES = {"constructor", "hasOwnProperty", "toString", "valueOf", "name", "experimental"}
"""Property names that are not asked as fields of a manifest: JavaScript's own, and those that the question itself needs."""


class NotFound(Exception):
    """The binary or an answer of the client does not have the form in which we know to read it."""


@dataclass
class Surface:
    """What was found, or is known: by kind, the names. A kind is what `drift` prints before a name."""

    names: dict[str, set[str]] = field(default_factory=dict)

    def add(self, kind: str, names: Iterable[str]) -> None:
        self.names.setdefault(kind, set()).update(names)

    def missing_from(self, known: Surface) -> list[tuple[str, str]]:
        """(kind, name) of all that is here and not there, in order."""
        return sorted(
            (kind, name) for kind, names in self.names.items() for name in names - known.names.get(kind, set())
        )


def known() -> Surface:
    """What the tables of `agnes.claude_code` have."""
    found = Surface()
    found.add("record type", (row.name for row in records.RECORDS))
    for row in records.RECORDS:
        found.add(f"field of {row.name}", row.fields | records.ENVELOPE)
    for row in records.ATTACHMENTS:
        found.add("attachment", [row.name.partition("/")[2]])
        found.add(f"field of {row.name}", row.fields)
    found.add("system record", (row.name.partition("/")[2] for row in records.SYSTEM))
    found.add("field of message", records.MESSAGE)
    found.add("content block", records.BLOCKS)
    for name, fields in records.USAGE.items():
        found.add(f"field of {name}", fields)
    found.add("hook event", surface.HOOK_EVENTS)
    found.add("tool", surface.TOOLS)
    found.add("field of plugin.json", surface.MANIFEST_FIELDS)
    found.add("field of plugin.json", (f"experimental.{name}" for name in surface.EXPERIMENTAL_FIELDS))
    found.add("subcommand of claude", surface.COMMANDS)
    found.add("subcommand of claude plugin", surface.PLUGIN_COMMANDS)
    return found


def newest_published() -> str:
    """Raises ClaudeUnavailable."""
    done = subprocess.run(
        ["npm", "view", PACKAGE, "version"], capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    if done.returncode != 0 or not re.fullmatch(r"[\w.+-]+", done.stdout.strip()):
        raise ClaudeUnavailable(
            f"npm does not say which version of {PACKAGE} is the newest: {done.stderr.strip()[:200]}"
        )
    return done.stdout.strip()


def of_binary(version: str) -> Surface:
    """Record types and hook events, from the lists that the client keeps of them. Raises NotFound."""
    found = Surface()
    with claude_binary(version).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as binary:
        maps = re.finditer(rb'\{[^{}]{0,6000}"file-history-snapshot":"[^{}]{0,6000}\}', binary)
        types = max((_keys(match[0]) for match in maps), key=len, default=set())
        lists = re.finditer(rb'\["PreToolUse","[^\]]{0,3000}\]', binary)
        events = max((set(re.findall(r"\w+", match[0].decode())) for match in lists), key=len, default=set())
    if "assistant" not in types or "SessionEnd" not in events:
        raise NotFound(f"the binary of {version} lists its record types or hook events in another way")
    found.add("record type", types)
    found.add("hook event", events)
    return found


def _keys(literal: bytes) -> set[str]:
    return {key.decode() for key in re.findall(rb'[{,]"?([a-z-]+)"?:"', literal)}


def of_help(client: ClaudeClient) -> Surface:
    """Subcommands. Raises NotFound."""
    found = Surface()
    for kind, arguments in (("subcommand of claude", ()), ("subcommand of claude plugin", ("plugin",))):
        names = re.findall(
            r"^  ([a-z][a-z-]*)[| \[<]", client.run(*arguments, "--help").stdout.partition("Commands:")[2], re.MULTILINE
        )
        if not names:
            raise NotFound(f"`claude {' '.join(arguments)} --help` lists its commands in another way")
        found.add(kind, names)
    return found


def of_validate(client: ClaudeClient, names: Iterable[str]) -> Surface:
    """Which of `names` `claude plugin validate` takes as fields of plugin.json and of its `experimental`. Raises NotFound.

    It warns of each field that it does not know, so it is asked about all of them at once.
    """
    asked = sorted({*names} - NEVER_ONES)
    folder = client.home / "drift"
    (folder / ".claude-plugin").mkdir(parents=True)
    manifest = {"name": "drift", **dict.fromkeys(asked, 0), "experimental": dict.fromkeys(asked, 0)}
    (folder / ".claude-plugin" / "plugin.json").write_text(json.dumps(manifest))
    answer = folder / "answer.txt"  # a pipe would lose what the client has not yet written when it ends
    with answer.open("wb") as output:
        subprocess.run(
            [client.binary, "plugin", "validate", folder],
            stdout=output,
            stderr=output,
            env=client.env(),
            timeout=client.deadline_seconds,
            check=False,
        )
    unknown = set(re.findall(r" ([\w$.]+): Unknown field", answer.read_text()))
    if len(unknown) < len(asked):
        raise NotFound(
            f"`claude plugin validate` of {client.version} says in another way which fields it does not know"
        )
    found = Surface()
    found.add("field of plugin.json", {"name", "experimental", *asked} - unknown)
    found.add("field of plugin.json", {f"experimental.{name}" for name in asked} - unknown)
    return found


def property_names(version: str) -> set[str]:
    """Every name that the client's code uses as a property with a called value, as a schema's fields are."""
    with claude_binary(version).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as binary:
        return {
            name.decode() for name in re.findall(rb'[{,]"?(\$?[a-zA-Z][a-zA-Z0-9]{1,39})"?:[a-zA-Z_$]{1,6}[(.]', binary)
        }


def of_session(client: ClaudeClient) -> Surface:
    """The built-in tools that a session has. Raises NotFound."""
    printed = client.run("-p", "Hello", "--output-format", "stream-json", "--verbose").stdout
    begins = (event for line in printed.splitlines() if (event := json.loads(line)).get("subtype") == "init")
    tools = next((event.get("tools") for event in begins), None)
    if not tools:
        raise NotFound(f"a session of {client.version} does not say which tools it has")
    found = Surface()
    found.add("tool", _built_in(tools))
    return found


def of_transcripts(paths: Iterable[Path]) -> Surface:
    """Types and fields of the records that these sessions hold."""
    found = Surface()
    for path in paths:
        for line in path.read_text().splitlines():
            for kind, names in _of_record(json.loads(line)):
                found.add(kind, names)
    return found


def _of_record(record: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    kind = record["type"]
    yield "record type", [kind]
    yield f"field of {kind}", record
    if kind == "attachment":
        yield "attachment", [record["attachment"]["type"]]
        yield f"field of attachment/{record['attachment']['type']}", record["attachment"]
        yield "tool", _built_in(record["attachment"].get("addedNames", ()))
    if kind == "api-request-shape":
        yield "tool", _built_in(tool.get("name", "") for tool in record["shape"].get("tools", ()))
    if kind == "system":
        yield "system record", [record["subtype"]]
    if kind == "cost-state":
        for model in record["modelUsage"].values():
            yield "field of modelUsage", model
    message = record.get("message")
    if kind in ("user", "assistant") and isinstance(message, dict):
        yield "field of message", message
        if isinstance(message.get("content"), list):
            yield "content block", (block["type"] for block in message["content"])
        usage = message.get("usage") or {}
        yield "field of usage", usage
        for name, value in usage.items():
            if isinstance(value, dict):
                yield f"field of usage.{name}", value


def _built_in(tools: Iterable[str]) -> list[str]:
    """Without those of MCP servers."""
    return [tool for tool in tools if tool and not tool.startswith("mcp__")]


def look(version: str, scratch: Path, transcripts: Iterable[Path]) -> Surface:
    """All that this version has; `transcripts` are of its sessions. Raises NotFound, ClaudeUnavailable."""
    (scratch / "home").mkdir(parents=True)
    (scratch / "ws").mkdir()
    found = of_binary(version)
    with ScriptedMessagesApi([Script("main", [Reply([text("Hello.")])])]) as api:
        client = ClaudeClient(scratch / "home", scratch / "ws", api.url, version=version)
        parts = [of_help(client), of_session(client), of_validate(client, property_names(version))]
    for part in (*parts, of_transcripts(transcripts)):
        for kind, names in part.names.items():
            found.add(kind, names)
    return found


def played(version: str, scratch: Path) -> list[Path]:
    """Transcripts of the sessions of `claude_scenario`, played now."""
    from tests.builders.record_transcripts import play_all

    clients = {id(client): client for client, _ in play_all(scratch, version)}
    return [path for client in clients.values() for path in client.transcripts()]


def report(version: str, missing: list[tuple[str, str]]) -> str:
    """A line for each thing that the tables do not have."""
    if not missing:
        return f"Claude Code {version} has nothing that shared/agnes/claude_code does not know.\n"
    counts = Counter(kind for kind, _ in missing)
    by_kind = ", ".join(f"{count} x {kind}" for kind, count in sorted(counts.items()))
    lines = [
        f"Claude Code {version} has {len(missing)} things that shared/agnes/claude_code does not know ({by_kind}):",
        *(f"{kind}: {name}" for kind, name in missing),
        "Decide for each what Agnes does with it, add it to its table, and set NEWEST in versions.py.",
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make client-drift", description=__doc__)
    parser.add_argument("version", nargs="?", help="a published version of Claude Code; the newest one if left out")
    given = parser.parse_args()
    try:
        version = given.version or newest_published()
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder).resolve()
            (scratch / "played").mkdir()
            missing = look(version, scratch / "look", played(version, scratch / "played")).missing_from(known())
    except (ClaudeUnavailable, NotFound) as problem:
        print(f"client-drift: {problem}", file=sys.stderr)
        return 2
    sys.stdout.write(report(version, missing))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
