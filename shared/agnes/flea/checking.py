"""Checks of what somebody wants to share: what it can do on a laptop, and what rules find in it.

The seam to whatever checks files: `check` takes the served files and gives a report that holds no secret's value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec

from agnes.flea.content import Baked
from agnes.kernel import sealed
from agnes.kernel.errors import AgnesError, InvalidError
from agnes.kernel.ports import ANYTHING, Blob, ObjectStore
from agnes.marketplace import capabilities

REPORTS = "flea/reports/"
Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")
BLOCKING = frozenset({"high", "critical"})
HOLDING = frozenset({"medium"})
GAINS = (
    "mods", "hooks", "monitors", "servers", "shell", "workflows", "programs", "downloads", "packages", "dependencies",
    "settings", "channels", "tools", "options", "hosts", "executables",
)  # fmt: skip
"""Groups of capabilities of which more is never without a human's look: all but texts and themes."""
MAX_FINDINGS = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule or the model found. Never the value of a secret."""

    rule: str
    severity: Severity
    path: str
    line: int
    """0 for a whole file."""
    message: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Review:
    """What the model said."""

    risk: str
    summary: str
    findings: list[Finding] = field(default_factory=list)
    model: str = ""
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """All that is known of one version's bytes, as it is stored."""

    capabilities: dict[str, list[str]]
    findings: list[Finding]
    rules: str
    """Digest of the rules that it was checked by."""
    notes: list[str] = field(default_factory=list)
    """What the client does not load, and what was left out of the archive."""
    components: list[dict[str, Any]] = field(default_factory=list)
    review: Review | None = None

    @property
    def everything(self) -> list[Finding]:
        """Rules' and the model's, the worst first."""
        found = [*self.findings, *(self.review.findings if self.review else [])]
        return sorted(found, key=lambda one: (-SEVERITIES.index(one.severity), one.path, one.line))

    @property
    def risk(self) -> str:
        """The worst severity; `none` without a finding that says more than info."""
        worst = self.everything[0].severity if self.everything else "info"
        return "none" if worst == "info" else worst


class ReportMissing(AgnesError):
    code = "report_missing"
    status = 503

    def __init__(self) -> None:
        super().__init__("the report of this submission cannot be read", hint="Have it checked again: *Rescan*.")


class ChecksFailed(InvalidError):
    """The owner can correct it at once; nothing is stored."""

    code = "validation_failed"

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        super().__init__(
            f"{first.path}: {first.message}{more}",
            hint=first.advice or "Correct it and share it again.",
            checks={"findings": [asdict(one) for one in findings[:MAX_FINDINGS]]},
        )


@dataclass(frozen=True, slots=True)
class Offered:
    """What is checked beside the files: the words that the owner gave."""

    type: str
    name: str
    description: str
    changes: str = ""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    photo_name: str = ""


def check(baked: Baked, offered: Offered, *, left_out: Sequence[str] = ()) -> Report:
    """Check every byte. Raises ChecksFailed for what its owner has to correct before anybody looks at it."""
    found = capabilities.of(baked.by_path, baked.executables, {})
    notes = [*baked.notes, *(f"{path}: not part of the {offered.type}, so it is left out" for path in left_out)]
    return Report(asdict(found), [], rules_digest(), notes, [asdict(one) for one in baked.components])


def rules_digest() -> str:
    """Changes with the rules: what was checked by others is checked again."""
    return "capabilities-1"


def gained(before: Mapping[str, Sequence[str]] | None, after: Mapping[str, Sequence[str]]) -> list[str]:
    """Groups of capabilities of which the second has something that the first has not; none without a first."""
    if before is None:
        return []
    return [group for group in GAINS if set(after.get(group, ())) - set(before.get(group, ()))]


def put(store: ObjectStore, report: Report) -> str:
    """Store a report; its SHA-256."""
    body = msgspec.json.encode(report)
    digest = hashlib.sha256(body).hexdigest()
    key = f"{REPORTS}{digest}.json"
    store.write(key, sealed.seal(key, body), expect=ANYTHING, content_type="application/json")
    return digest


def read(store: ObjectStore, digest: str) -> Report:
    """Raises ReportMissing."""
    key = f"{REPORTS}{digest}.json"
    blob = store.read(key)
    if not isinstance(blob, Blob):
        raise ReportMissing
    try:
        return msgspec.json.decode(sealed.opened(key, blob.body), type=Report)
    except (msgspec.DecodeError, sealed.Unsealed) as exc:
        raise ReportMissing from exc
