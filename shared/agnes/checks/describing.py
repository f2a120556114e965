"""Manifest, content and quality: whether Claude Code loads it, and whether a reader learns what it is for."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from agnes.checks.model import Bundle, Finding
from agnes.checks.reporting import finding
from agnes.claude_code.components import DESCRIBED
from agnes.marketplace import front_matter, manifest, strict_json
from agnes.marketplace.inventory import Inventory
from agnes.trees.packaging import MANIFEST

NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
MAX_NAME_CHARACTERS = 64
FILLER = ("lorem ipsum", "<insert_", "[insert ", "<your ", "xxx todo")
PLACEHOLDERS = frozenset(
    [
        "todo",
        "tbd",
        "fixme",
        "xxx",
        "description",
        "n/a",
        "na",
        "none",
        "null",
        "test",
        "placeholder",
        "...",
        "-",
        "your description here",
    ]
)
PLACEHOLDER_PHRASES = ("your description here", "brief description", "add a description", "fill in description", "fill in the description",
                       "lorem ipsum", "description goes here")  # fmt: skip
PLACEHOLDER_STARTS = ("todo", "tbd", "fixme", "xxx")
WHEN = ("when", "whenever", "use ", "for ", "before", "after", "if ", "while", "during", "trigger")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """How much a description has to say; an installation may change them."""

    description: int = 60
    """Characters; of skills, agents and plugins."""
    command_description: int = 25
    distinct_words: int = 5
    body: int = 200
    """Characters of a skill's or an agent's text."""


STANDARD = Thresholds()


def findings(bundle: Bundle, found: Inventory, thresholds: Thresholds = STANDARD) -> Iterator[Finding]:
    yield from _manifest(bundle, found)
    if bundle.description:
        yield from _description(bundle.description, "form:description", thresholds.description, thresholds)
    declared = _declared_description(bundle)
    if declared is not None:
        yield from _description(declared, MANIFEST, thresholds.description, thresholds)
    kinds = {component.path: component.kind for component in found.components if component.kind in DESCRIBED}
    for path, head in found.heads.items():
        if path in kinds:
            yield from _text(path, kinds[path], head, thresholds)


def _manifest(bundle: Bundle, found: Inventory) -> Iterator[Finding]:
    kinds = {component.kind for component in found.components}
    if MANIFEST in bundle.files:
        try:
            value = strict_json.parse(bundle.files[MANIFEST])
            manifest.read_plugin_manifest(bundle.files[MANIFEST])
        except ValueError as error:
            yield finding("manifest.invalid", MANIFEST, detail=str(error))
        else:
            name = value.get("name") if isinstance(value, dict) else None
            if (
                not isinstance(name, str)
                or not 0 < len(name) <= MAX_NAME_CHARACTERS
                or not NAME_CHARACTERS.issuperset(name)
            ):
                yield finding("manifest.name", MANIFEST)
    if found.refused:
        yield finding("manifest.invalid", MANIFEST, detail=found.refused)
    needed = {"skill": "skill" in kinds, "agent": "agent" in kinds, "plugin": MANIFEST in bundle.files}
    if not needed[bundle.type]:
        yield finding("manifest.missing", MANIFEST if bundle.type == "plugin" else "form:name")


def _declared_description(bundle: Bundle) -> str | None:
    """plugin.json's; None where it is none of the uploader's: a skill's or an agent's plugin.json is written by Agnes."""
    if bundle.type != "plugin" or MANIFEST not in bundle.files:
        return None
    try:
        value = strict_json.parse(bundle.files[MANIFEST])
    except ValueError:
        return None
    description = value.get("description") if isinstance(value, dict) else None
    return description if isinstance(description, str) else ""


def _text(path: str, kind: str, head: front_matter.Head, thresholds: Thresholds) -> Iterator[Finding]:
    if head.flawed:
        yield finding("manifest.front-matter", path, 1)
        return
    description = front_matter.line(head.fields.get("description"))
    if description is not None or kind != "command":
        least = thresholds.command_description if kind == "command" else thresholds.description
        yield from _description(description or "", path, least, thresholds, line=2)
    body = " ".join(head.text.split())
    if kind in ("skill", "agent") and len(body) < thresholds.body:
        yield finding("content.body-too-short", path, detail=f"{len(body)} characters, {thresholds.body} are asked for")
    lowered = body.lower()
    if any(filler in lowered for filler in FILLER):
        yield finding("quality.filler", path, _line_of(head.text, FILLER))


def _line_of(text: str, words: tuple[str, ...]) -> int:
    return next((n for n, line in enumerate(text.split("\n"), 1) if any(word in line.lower() for word in words)), 0)


def _description(text: str, path: str, least: int, thresholds: Thresholds, line: int = 0) -> Iterator[Finding]:
    """The first rule that fails."""
    text = " ".join(text.split())
    lowered = text.lower()
    words = {word.strip(".,;:!?()\"'") for word in lowered.split()} - {""}
    if not text:
        yield finding("content.empty", path, line)
    elif (
        lowered.rstrip(".!") in PLACEHOLDERS
        or any(phrase in lowered for phrase in PLACEHOLDER_PHRASES)
        or lowered.split()[0].strip(":.,-") in PLACEHOLDER_STARTS
        or (lowered.startswith("{{") and lowered.endswith("}}"))
    ):
        yield finding("content.placeholder", path, line)
    elif len(text) < least:
        yield finding("content.too-short", path, line, detail=f"{len(text)} characters, {least} are asked for")
    elif len(words) < thresholds.distinct_words:
        yield finding(
            "content.few-words",
            path,
            line,
            detail=f"{len(words)} different words, {thresholds.distinct_words} are asked for",
        )
    elif not any(word in f"{lowered} " for word in WHEN) and posixpath.basename(path) != "plugin.json":
        yield finding("quality.when", path, line)
