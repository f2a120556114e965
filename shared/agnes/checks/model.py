"""What is checked, and what a check says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from agnes.marketplace.capabilities import GROUPS, Capabilities

EntityType = Literal["skill", "agent", "plugin"]


class Severity(StrEnum):
    """From the least to the worst."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    """An admin must look before anybody is served."""
    CRITICAL = "critical"
    """As high; nothing benign is known that looks like it."""

    @property
    def rank(self) -> int:
        return _RANKS[self]

    @property
    def holds(self) -> bool:
        return self.rank >= _RANKS[Severity.HIGH]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Stage(StrEnum):
    """Which kind of check found it: what happens next depends on it."""

    MANIFEST = "manifest"
    """Claude Code would not load it; the uploader repairs it."""
    CONTENT = "content"
    """A description or a text that says too little; the uploader repairs it."""
    SECURITY = "security"
    """By its severity, an admin decides."""
    QUALITY = "quality"
    """Advice."""
    REVIEW = "review"
    """The language model's."""


class Outcome(StrEnum):
    """What a report asks for."""

    INVALID = "invalid"
    """The uploader must repair it: refused at once, with the findings of manifest and content."""
    HELD = "held"
    """An admin must look: a finding of high or critical severity."""
    CLEAR = "clear"
    """Nothing of these checks is against it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found. Holds no bytes of the file: not a secret's value, not a passage."""

    rule: str
    """Id of a rule, in `agnes.checks.RULES` but for those of the language model (`review.…`)."""
    severity: Severity
    path: str
    """Of the file; `form:description`, `photo:<name>` or `document:<name>` for what is not in the bundle; a member of an archive
    is `<archive>!<member>`."""
    line: int
    """From 1; 0 where it is about the whole file."""
    message: str
    advice: str
    stage: Stage = Stage.SECURITY

    def as_json(self) -> dict[str, str | int]:
        return {
            "rule": self.rule,
            "severity": self.severity.value,
            "path": self.path,
            "line": self.line,
            "message": self.message,
            "advice": self.advice,
            "stage": self.stage.value,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> Finding:
        return cls(
            str(value["rule"]),
            Severity(str(value["severity"])),
            str(value["path"]),
            int(str(value["line"])),
            str(value["message"]),
            str(value["advice"]),
            Stage(str(value["stage"])),
        )


@dataclass(frozen=True, slots=True)
class Bundle:
    """An upload in its served form, with what its owner wrote into the form."""

    type: EntityType
    name: str
    """As it would be served, such as `finops-by-ana`."""
    files: Mapping[str, bytes]
    """By path. Paths were judged before (`agnes.trees.rules`)."""
    description: str = ""
    executables: frozenset[str] = frozenset()
    """Paths with the executable bit."""
    documents: Mapping[str, bytes] = field(default_factory=dict)
    """Attached, by file name."""
    photo_name: str = ""
    photo: bytes = b""
    video_url: str = ""

    def texts(self) -> dict[str, bytes]:
        """Everything that is looked at, by the path that findings name."""
        found = dict(self.files)
        found |= {f"document:{name}": body for name, body in self.documents.items()}
        form = {"form:name": self.name, "form:description": self.description, "form:video_url": self.video_url}
        found |= {key: value.encode("utf-8", "replace") for key, value in form.items() if value}
        if self.photo_name or self.photo:
            found[f"photo:{self.photo_name}"] = self.photo
        return found


@dataclass(frozen=True, slots=True)
class Work:
    """What a check went through; tests bound it."""

    files: int = 0
    scanned_bytes: int = 0
    """Every layer: a file as it is, normalised, decoded, and members of archives."""
    layers: int = 0
    windows: int = 0
    """Passages around words of rules that were looked at."""
    window_bytes: int = 0
    spans: int = 0
    """Places of patterns in them."""
    unread: int = 0
    """Files or members that a bound kept from being read whole; each has a finding."""


@dataclass(frozen=True, slots=True)
class Report:
    findings: tuple[Finding, ...]
    """The worst first, then by path and line."""
    capabilities: Capabilities
    gained: Capabilities | None
    """What the live version cannot do; None if there is none."""
    rules: str
    """Digest of the rules and the scanners' versions: an entity whose report has another one is checked again."""
    work: Work

    @property
    def worst(self) -> Severity | None:
        return max((one.severity for one in self.findings), key=lambda severity: severity.rank, default=None)

    @property
    def outcome(self) -> Outcome:
        if self.of(Stage.MANIFEST, Stage.CONTENT):
            return Outcome.INVALID
        if any(one.severity.holds for one in self.findings):
            return Outcome.HELD
        return Outcome.CLEAR

    def of(self, *stages: Stage) -> list[Finding]:
        return [one for one in self.findings if one.stage in stages]

    @property
    def gains_capabilities(self) -> bool:
        """Whether an update can do something that runs code or reaches out, and the live version cannot: a person decides."""
        return self.gained is not None and any(getattr(self.gained, group) for group in GAINS)


GAINS = tuple(group for group in GROUPS if group not in ("texts", "themes", "options"))
"""Groups of capabilities whose growth needs a person's decision. Those left out change words, looks and questions."""
