"""Whether an upload may be shared: rules as data over every byte (`check`), and a language model that reads all of it (`review`).

Pure: no tables and no store. `flea` keeps reports and decides what follows from them; scanners and the model are ports.
"""

from __future__ import annotations

from agnes.checks.describing import STANDARD, Thresholds
from agnes.checks.model import GAINS, Bundle, EntityType, Finding, Outcome, Report, Severity, Stage, Work
from agnes.checks.reviewing.model import Allowance, Budget, ChunkRead, Reason, Review, Spend, Verdict
from agnes.checks.reviewing.service import review
from agnes.checks.rules import BY_ID, CATEGORIES, RULES, Rule
from agnes.checks.static import check, digest

__all__ = [
    "BY_ID",
    "CATEGORIES",
    "GAINS",
    "RULES",
    "STANDARD",
    "Allowance",
    "Budget",
    "Bundle",
    "ChunkRead",
    "EntityType",
    "Finding",
    "Outcome",
    "Reason",
    "Report",
    "Review",
    "Rule",
    "Severity",
    "Spend",
    "Stage",
    "Thresholds",
    "Verdict",
    "Work",
    "check",
    "digest",
    "review",
]
