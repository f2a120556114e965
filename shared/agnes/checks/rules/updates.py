"""What an update changes against the live version. Computed (`agnes.checks.updating`)."""

from __future__ import annotations

from agnes.checks.model import Severity
from agnes.checks.rules.model import Rule

RULES = (
    Rule(
        "update.gains", Severity.HIGH, "the update can do what the live version cannot: {detail}", "Say in the change's description why it needs that.",
        "Adds a hook to a skill that had none.", "Changes words of a skill.", example_path="hooks/hooks.json",
    ),
    Rule(
        "update.worse", Severity.HIGH, "the update brings findings that the live version does not have: {detail}", "Remove what the findings name.",
        "Adds a download of a program to a script.", "Changes a script's output.", example_path="scripts/report.sh",
    ),
    Rule(
        "update.other-purpose", Severity.HIGH, "the update is another thing under the same name: {detail}", "Upload it as an entity of its own.",
        "Replaces every file and the description.", "Adds a paragraph.", example_path="form:description",
    ),
)  # fmt: skip
