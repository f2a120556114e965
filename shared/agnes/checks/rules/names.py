"""Names that are taken for others. Computed (`agnes.checks.lookalikes`)."""

from __future__ import annotations

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule

RULES = (
    Rule(
        "name.lookalike", Severity.HIGH, "the name is read as that of a curated plugin: {detail}", "Choose a name that says what is different.",
        "finnops-by-ana", "ledger-check-by-ana", example_path="form:name",
    ),
    Rule(
        "name.claims", Severity.HIGH, "the name claims to come from Anthropic or from the organisation", "Leave such words out of the name.",
        "finance-official-by-ana", "finance-office-by-ana", example_path="form:name",
    ),
)  # fmt: skip
