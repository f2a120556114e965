"""What a plugin puts into every session is what `claude plugin details` says, component by component, in both tested clients."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from agnes.claude_code import listings
from agnes.marketplace import always_on
from agnes.marketplace.model import Item
from tests.builders.claude_client import ClaudeClient

pytestmark = pytest.mark.client

FILES = {
    "skills/forecast/SKILL.md": "---\nname: forecast\ndescription: Forecast the bill. Use it for costs.\nwhen_to_use: Whenever costs are asked for.\n---\n# Forecast\n\nDo it.\n",
    "skills/plain/SKILL.md": "# What this is about\n\nNo front matter at all.\n",
    "skills/long/SKILL.md": f"\n\n{'A first line that is much too long to be a description. ' * 4}\nNext.\n",
    "skills/hidden/SKILL.md": "---\ndescription: Only typed.\ndisable-model-invocation: true\n---\nText\n",
    "skills/blank/SKILL.md": '---\ndescription: "   "\n---\n\n## Heading of a blank one\n',
    "skills/number/SKILL.md": "---\ndescription: 42\nwhen_to_use: true\n---\nText\n",
    "skills/list/SKILL.md": "---\ndescription: [a, b]\n---\n# Of a list\n",
    "skills/dashed/SKILL.md": "---\ndescription: Dashed.\nwhen-to-use: With a dash.\n---\nText\n",
    "skills/cased/SKILL.md": "---\nDescription: With a capital letter.\nWHEN_TO_USE: Never read.\n---\nThe text\n",
    "skills/emoji/SKILL.md": "---\ndescription: Zählt 👩‍💻 und 📈 richtig.\n---\nText\n",
    "skills/folded/SKILL.md": "---\ndescription: >\n  Several lines\n  that are one.\nwhen_to_use: |\n  First\n  second\n---\nText\n",
    "skills/empty/SKILL.md": "",
    "commands/close-month.md": "---\ndescription: Close the month\nargument-hint: [month]\n---\nClose $ARGUMENTS\n",
    "commands/bare.md": "Just do it.\n",
    "agents/auditor.md": "---\nname: auditor\ndescription: Audits ledgers line by line.\ntools: Read, Bash\n---\nYou audit.\n",
}


def kind_and_name(path: str) -> tuple[str, str]:
    folder, name, *_ = path.split("/")
    return folder.removesuffix("s"), name.removesuffix(".md")


def estimated(client: ClaudeClient, folder: Path) -> int:
    """Tokens that the client says a plugin's folder puts into every session."""
    shown = client.run("--plugin-dir", str(folder), "plugin", "details", "finops").stdout
    return int(re.search(r"Always-on:\s+~([\d,]+) tok", shown)[1].replace(",", ""))


def write(folder: Path, files: Mapping[str, str]) -> Path:
    manifest = {"name": "finops", "version": "1.0.0", "description": "Finance"}
    for path, text in {**files, ".claude-plugin/plugin.json": json.dumps(manifest)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_what_every_component_puts_into_a_session(tmp_path: Path, claude_version: str) -> None:
    for folder in ("home", "workspace"):
        (tmp_path / folder).mkdir()
    client = ClaudeClient(tmp_path / "home", tmp_path / "workspace", version=claude_version)
    ours: dict[str, int] = {}
    for path, text in FILES.items():
        kind, name = kind_and_name(path)
        ours[path] = always_on.characters(Item(kind, name, None, "", path), text.encode(), "finops")
    said = {
        path: estimated(client, write(tmp_path / path.replace("/", "-"), {path: text})) for path, text in FILES.items()
    }
    assert {path: listings.tokens(characters) for path, characters in ours.items()} == said
    assert estimated(client, write(tmp_path / "all", FILES)) == listings.tokens(sum(ours.values()))
