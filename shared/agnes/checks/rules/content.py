"""Manifest, content and quality: what an uploader repairs. All are computed (`agnes.checks.describing`)."""

from __future__ import annotations

from agnes.checks.model import Severity, Stage
from agnes.checks.rules.model import Rule

_GOOD = "Forecasts the month from the ledger. Use it when somebody asks what the month will cost, or how sure the figure is."


def _skill(description: str, body: str = "") -> str:
    text = (
        body
        or "Read the ledger of the last twelve months, then say what the month will cost and how sure you are. " * 3
    )
    return f"---\nname: forecast\ndescription: {description}\n---\n\n# Forecast\n\n{text}\n"


_PLUGIN = ".claude-plugin/plugin.json"
_GOOD_PLUGIN = f'{{"name": "forecast", "description": "{_GOOD}"}}'

RULES = (
    Rule(
        "manifest.missing", Severity.HIGH, "the file that makes it a skill, an agent or a plugin is missing",
        "Add SKILL.md, the agent's Markdown file, or .claude-plugin/plugin.json.", "Only notes.", _skill(_GOOD), stage=Stage.MANIFEST,
        example_path="skills/report/notes.txt", counter_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "manifest.invalid", Severity.HIGH, "Claude Code would not load it: {detail}", "Correct the file; `claude plugin validate` checks it on your machine.",
        '{"name": "forecast", "hooks": 7}', _GOOD_PLUGIN, stage=Stage.MANIFEST, example_path=_PLUGIN,
    ),
    Rule(
        "manifest.name", Severity.HIGH, "the name in plugin.json is not a name that can be served",
        "Use letters, digits, hyphens and underscores, 64 at most.", '{"name": "for cast!", "description": "x"}', _GOOD_PLUGIN,
        stage=Stage.MANIFEST, example_path=_PLUGIN,
    ),
    Rule(
        "manifest.front-matter", Severity.HIGH, "the front matter is not YAML, so Claude Code reads no field of it",
        "Quote values that hold a colon or brackets.", '---\nname: "forecast\ndescription: x\n---\ntext\n', _skill(_GOOD),
        stage=Stage.MANIFEST, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "content.empty", Severity.HIGH, "the description is empty", "Say what it does and when to use it.", _skill('""'), _skill(_GOOD),
        stage=Stage.CONTENT, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "content.placeholder", Severity.HIGH, "the description is a placeholder", "Say what it does and when to use it.",
        _skill("TODO add a description of this skill that says when somebody would want to use it, please"), _skill(_GOOD),
        stage=Stage.CONTENT, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "content.too-short", Severity.HIGH, "the description is too short: {detail}", "Say what it does and when to use it.",
        _skill("Forecasts the month."), _skill(_GOOD), stage=Stage.CONTENT, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "content.few-words", Severity.HIGH, "the description repeats itself: {detail}", "Say what it does and when to use it.",
        _skill("forecast forecast forecast forecast forecast forecast forecast forecast forecast"), _skill(_GOOD), stage=Stage.CONTENT,
        example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "content.body-too-short", Severity.HIGH, "the text is too short to instruct an agent: {detail}", "Write down how it is done, step by step.",
        _skill(_GOOD, "Do it."), _skill(_GOOD), stage=Stage.CONTENT, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "quality.when", Severity.INFO, "the description does not say when to use it", "Add a sentence that begins with *Use it when*.",
        _skill("Forecasts the month from the ledger of the last twelve months, with a range and a figure."), _skill(_GOOD),
        stage=Stage.QUALITY, example_path="skills/forecast/SKILL.md",
    ),
    Rule(
        "quality.filler", Severity.INFO, "filler is left in the text", "Replace it, or remove it.",
        _skill(_GOOD, "Lorem ipsum dolor sit amet. " * 10), _skill(_GOOD), stage=Stage.QUALITY, example_path="skills/forecast/SKILL.md",
    ),
)  # fmt: skip
