"""Checks of what somebody wants to share (`agnes.checks`), and the reports that are kept of them.

A report is an object of its own, named by its content, since a queue of thousands would make the state file large.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import msgspec

from agnes import checks
from agnes.checks import Bundle, Outcome, Stage
from agnes.flea.content import Baked
from agnes.kernel import sealed
from agnes.kernel.errors import AgnesError, InvalidError
from agnes.kernel.ports import ANYTHING, ObjectStore
from agnes.kernel.scanning import Scanners

REPORTS = "flea/reports/"
Severity = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")
BLOCKING = frozenset({"high", "critical"})
GAINS = checks.GAINS
_NO_DANGER = ("name.", "update.")
"""Rules about names and about what an update gains: what they find is no danger by itself, so it waits for an admin and is not
blocked."""
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

    @property
    def blocking(self) -> Finding | None:
        """What a rule found that keeps it from being served; None if nothing does."""
        return next((one for one in self.everything if is_blocking(one)), None)

    @property
    def holding(self) -> list[str]:
        """What an admin has to look at although it is no danger by itself."""
        return [f.message for f in self.everything if f.severity in BLOCKING and f.rule.startswith(_NO_DANGER)]


def is_blocking(one: Finding) -> bool:
    return one.severity in BLOCKING and not one.rule.startswith(_NO_DANGER)


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
    """What is checked beside the files: the words, documents and picture that the owner gave."""

    type: Literal["skill", "agent", "plugin"]
    served_name: str
    description: str
    documents: Mapping[str, bytes] = field(default_factory=dict)
    photo_name: str = ""
    photo: bytes = b""
    video_url: str = ""

    def bundle(self, files: Mapping[str, bytes], executables: Collection[str]) -> Bundle:
        return Bundle(
            self.type,
            self.served_name,
            files,
            self.description,
            frozenset(executables),
            self.documents,
            self.photo_name,
            self.photo,
            self.video_url,
        )


@dataclass(frozen=True, slots=True)
class Checked:
    report: Report
    gained: list[str]
    """Groups of capabilities of which it has more than the live version."""


def check(
    baked: Baked,
    offered: Offered,
    scanners: Scanners,
    *,
    live: Bundle | None = None,
    curated_names: Collection[str] = (),
    left_out: Sequence[str] = (),
) -> Checked:
    """Check every byte. Raises ChecksFailed for what its owner has to correct before anybody looks at it."""
    found = checks.check(
        offered.bundle(baked.by_path, baked.executables), scanners, live=live, curated_names=curated_names
    )
    if found.outcome is Outcome.INVALID:
        raise ChecksFailed([_finding(one) for one in found.of(Stage.MANIFEST, Stage.CONTENT)])
    notes = [*baked.notes, *(f"{path}: not part of the {offered.type}, so it is left out" for path in left_out)]
    report = Report(
        asdict(found.capabilities),
        [_finding(one) for one in found.findings],
        found.rules,
        notes,
        [asdict(one) for one in baked.components],
    )
    gained = [group for group in GAINS if found.gained is not None and getattr(found.gained, group)]
    return Checked(report, gained)


def review_of(said: checks.Review) -> Review:
    """What is kept of a review."""
    found = [_finding(one) for one in said.findings]
    return Review(said.risk or "none", said.summary or said.sentence, found, said.model, said.cost_usd or 0.0)


def _finding(one: checks.Finding) -> Finding:
    return Finding(one.rule, one.severity.value, one.path, one.line, one.message, one.advice)


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
    if blob is None:
        raise ReportMissing
    try:
        return msgspec.json.decode(sealed.opened(key, blob.body), type=Report)
    except (msgspec.DecodeError, sealed.Unsealed) as exc:
        raise ReportMissing from exc
