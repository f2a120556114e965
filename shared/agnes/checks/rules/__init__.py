"""The rules, as data: one module a category."""

from __future__ import annotations

from agnes.checks.rules import (
    content,
    destruction,
    exfiltration,
    files,
    hidden,
    injection,
    intents,
    names,
    obfuscation,
    persistence,
    remote_code,
    secrets,
    updates,
    weakening,
)
from agnes.checks.rules.model import Rule, Where

CATEGORIES = {
    "manifest": "Claude Code would not load it",
    "content": "Descriptions and texts that say too little",
    "quality": "Advice",
    "injection": "Texts that turn an agent against its user",
    "exfiltration": "What leaves the laptop",
    "remote-code": "Code from elsewhere that runs",
    "obfuscation": "Code that hides what it does",
    "hidden": "Characters and passages that people do not see",
    "persistence": "What stays after the plugin is gone",
    "weakening": "Protections that are switched off",
    "destruction": "What deletes, encrypts or wastes",
    "secrets": "Secrets in files",
    "file": "Files that are not what they seem, or that nobody can read",
    "name": "Names that are taken for others",
    "update": "What an update changes against the live version",
}
"""Category → what it is about."""

RULES: tuple[Rule, ...] = (
    *content.RULES,
    *injection.RULES,
    *intents.RULES,
    *exfiltration.RULES,
    *remote_code.RULES,
    *obfuscation.RULES,
    *hidden.RULES,
    *persistence.RULES,
    *weakening.RULES,
    *destruction.RULES,
    *secrets.RULES,
    *files.RULES,
    *names.RULES,
    *updates.RULES,
)
BY_ID = {rule.id: rule for rule in RULES}

__all__ = ["BY_ID", "CATEGORIES", "RULES", "Rule", "Where"]
