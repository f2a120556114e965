"""Findings of rules."""

from __future__ import annotations

from agnes.checks.model import Finding, Severity
from agnes.checks.rules import BY_ID


def finding(
    rule_id: str, path: str, line: int = 0, *, detail: str = "", severity: Severity | None = None, how: str = ""
) -> Finding:
    """Of a rule, at a place. `detail` is put into the rule's reason; `how` says how the text had to be read."""
    rule = BY_ID[rule_id]
    message = rule.reason.format(detail=detail) if "{detail}" in rule.reason else rule.reason
    message = f"{message} (in {how})" if how else message
    return Finding(
        rule.id, severity or rule.severity, path, line, message[0].upper() + message[1:], rule.advice, rule.stage
    )
