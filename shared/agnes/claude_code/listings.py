"""What Claude Code puts before the model in every conversation, because plugins are installed: names and descriptions.

At the beginning of a conversation, and again after each compaction, the client adds attachments to the first prompt. They list
the skills (commands too), the agents and the tools of MCP servers that the model may ask for, a line each; later ones list what
came since. Subagents that may use skills get a listing of their own. The text stays in the context until it is compacted, so
every request of the conversation pays for it: the first as a write to the cache, the others as a read.

What is only for people (`disable-model-invocation`) is in no listing. Of many skills the client leaves out descriptions: all
listings together have a share of the context, so the lines that it wrote say more than the files of a plugin.

    attachment              since      lines
    skill_listing           2.1.197    `- <name>: <description> - <when to use>` in `content`, the names in `names`
    agent_listing_delta     2.1.197    `- <name>: <description> (Tools: …)`, one each in `addedLines`, the names in `addedTypes`
    deferred_tools_delta    2.1.197    tools that are loaded on demand, the names in `addedNames`, one each in `addedLines`

Source: sessions of 2.1.197 and 2.1.332 (the oldest and the newest that we run), and the code of their `plugin details`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

SKILLS, AGENTS, TOOLS = "skill_listing", "agent_listing_delta", "deferred_tools_delta"
KINDS = frozenset({SKILLS, AGENTS, TOOLS})

CHARACTERS_PER_TOKEN = 4
"""How the client itself estimates tokens of text (`claude plugin details`, `/context`)."""

_ENTRY = re.compile(r"- (\S+?)(?::(?= |$)|$)")


def length(text: str) -> int:
    """Characters as the client counts them: UTF-16 units."""
    return len(text) + sum(char > "\uffff" for char in text) if not text.isascii() else len(text)


def tokens(characters: int) -> int:
    """The client's estimate, rounded as JavaScript does: halves go up."""
    return (2 * characters + CHARACTERS_PER_TOKEN) // (2 * CHARACTERS_PER_TOKEN)


def skill_entries(content: str, names: Sequence[str] | None) -> Iterator[tuple[str, int]]:
    """(name, characters) of each entry of a skill listing, the line's end included.

    A description may have several lines: an entry begins where a line begins with one of `names`; without `names`, with any
    name.
    """
    known = frozenset(names) if names is not None else None
    name, size = "", 0
    for line in content.split("\n"):
        found = _ENTRY.match(line)
        if found is not None and (known is None or found[1] in known):
            if name:
                yield name, size
            name, size = found[1], 0
        size += length(line) + 1
    if name:
        yield name, size


def line_entries(names: Sequence[str], lines: Sequence[str]) -> Iterator[tuple[str, int]]:
    """(name, characters) of each line of a listing that has one line a name, the line's end included. A name without a
    line was put there by its name alone."""
    for at, name in enumerate(names):
        yield name, length(lines[at] if at < len(lines) else name) + 1


def always_on(name: str, description: str | None, when_to_use: str | None) -> str:
    """The text by which `claude plugin details` estimates what a skill, command or agent puts into every session.

    It is no line of a listing, but what is in it; an agent's tools and a skill's `- ` are not counted.
    """
    return " ".join(part for part in (name, description, when_to_use) if part)


def skill_name(plugin: str, name: str) -> str:
    """How `plugin details` writes a skill's or command's name in `always_on`; an agent's is its bare name."""
    return f"{plugin}:{re.sub(r'[^a-zA-Z0-9_-]', '-', name)}"


def first_line(body: str) -> str:
    """What stands for a missing description: the first line of the text that is not blank, without the marks of a heading."""
    for line in body.split("\n"):
        text = line.strip()
        if text:
            heading = re.match(r"#+\s+(\S.*)$", text)
            text = heading[1] if heading else text
            return f"{text[:97]}..." if length(text) > 100 else text
    return "Skill"
