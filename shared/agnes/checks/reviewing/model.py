"""What a review says, what it may spend, and the form of the model's answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict

from agnes.checks.model import Finding, Severity
from agnes.kernel.llm import TokenCounts

Risk = Literal["safe", "low", "medium", "high", "critical"]
RISKS: tuple[Risk, ...] = ("safe", "low", "medium", "high", "critical")
"""From the least to the worst."""
Category = Literal[
    "prompt_injection",
    "data_exfiltration",
    "remote_code",
    "obfuscation",
    "persistence",
    "weakened_protection",
    "destruction",
    "secret",
    "deception",
    "other",
]


class Verdict(StrEnum):
    SAFE = "safe"
    """Every part was read, by a reviewer that proved it, and nothing is against it."""
    UNSAFE = "unsafe"
    WAITING = "waiting"
    """For an admin: there is no key, no money left, or no reviewer that can be relied on. Never an approval."""
    ERROR = "error"
    """The review could not be finished; it may be tried again if `is_temporary`."""


class Reason(StrEnum):
    """Why a review is not SAFE."""

    RISK = "risk"
    QUALITY = "quality"
    NO_KEY = "no_key"
    PERSON_CAP = "person_cap"
    TOTAL_CAP = "total_cap"
    NO_PRICE = "no_price"
    TOO_LARGE = "too_large"
    UNREADABLE = "unreadable"
    UNRELIABLE = "unreliable"
    MODEL_REFUSED = "model_refused"
    MODEL_UNAVAILABLE = "model_unavailable"
    ANSWER_UNUSABLE = "answer_unusable"
    TIME = "time"


SENTENCES = {
    Reason.RISK: "The review found risks. An admin decides; the findings say what to change.",
    Reason.QUALITY: "The review says that a description does not tell when to use it. Change it, and upload again.",
    Reason.NO_KEY: "There is no key for the language model, so it is waiting for an admin.",
    Reason.PERSON_CAP: "The uploader's share of what reviews may cost is used up, so it is waiting for an admin.",
    Reason.TOTAL_CAP: "What reviews may cost in all is used up, so it is waiting for an admin.",
    Reason.NO_PRICE: "No price is set for the reviewing model, so its cost cannot be bounded; it is waiting for an admin.",
    Reason.TOO_LARGE: "It is too large for a review by a language model, so it is waiting for an admin.",
    Reason.UNREADABLE: "It holds files that a language model cannot read, so it is waiting for an admin.",
    Reason.UNRELIABLE: "The reviewing model missed what was planted to test it, so it is waiting for an admin.",
    Reason.MODEL_REFUSED: "The reviewing model refused to read it, so it is waiting for an admin.",
    Reason.MODEL_UNAVAILABLE: "The reviewing model did not answer. It is tried again.",
    Reason.ANSWER_UNUSABLE: "The reviewing model's answers had no form that can be read; it is waiting for an admin.",
    Reason.TIME: "The review took longer than one run may. It goes on with the parts that are left.",
}


@dataclass(frozen=True, slots=True)
class ChunkRead:
    """One chunk whose review is done; kept so that a review that is tried again does not pay twice."""

    digest: str
    """Of what was read, without what is drawn for each request."""
    risk: Risk
    findings: tuple[Finding, ...]
    is_poor: bool
    """A description does not say when to use it."""
    summary: str


@dataclass(frozen=True, slots=True)
class Review:
    verdict: Verdict
    reason: Reason | None
    risk: Risk | None
    """The worst of all files; None if nothing was read."""
    summary: str
    findings: tuple[Finding, ...]
    model: str
    chunks: int
    """Of the upload."""
    read: tuple[ChunkRead, ...]
    tokens: TokenCounts
    """Of this run."""
    cost_usd: float | None
    """Of this run by the list price; None for a model without a price."""
    missed: int = 0
    """Answers that were thrown away because a planted file was missed, or a file's words were wrong."""

    @property
    def is_temporary(self) -> bool:
        """Whether the same review may succeed later by itself."""
        return self.reason in (Reason.MODEL_UNAVAILABLE, Reason.TIME)

    @property
    def sentence(self) -> str:
        return SENTENCES[self.reason] if self.reason else "The review found nothing against it."


@dataclass(frozen=True, slots=True)
class Spend:
    """What one request cost."""

    model: str
    tokens: TokenCounts
    usd: float | None


@dataclass(frozen=True, slots=True)
class Allowance:
    """Dollars that may still be spent; None is without a cap."""

    person_usd: float | None = None
    total_usd: float | None = None


class Budget(Protocol):
    """Of one submission: who keeps it knows whose."""

    def allowance(self) -> Allowance:
        """Asked before each request."""
        ...

    def record(self, spend: Spend) -> None:
        """Called after each request, before anything else is done with its answer."""
        ...


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class FileRead(_Form):
    file: int
    opening_word: str
    closing_word: str
    risk: Risk
    reason: str


class FoundRisk(_Form):
    file: int
    line: int
    severity: Literal["info", "low", "medium", "high", "critical"]
    category: Category
    explanation: str
    advice: str


class PoorDescription(_Form):
    file: int
    issue: str
    advice: str


class Answer(_Form):
    """What the model fills in for one chunk."""

    files: list[FileRead]
    findings: list[FoundRisk]
    descriptions: list[PoorDescription]
    summary: str


def severity_of(risk: Risk) -> Severity:
    return Severity.INFO if risk == "safe" else Severity(risk)
