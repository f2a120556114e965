"""A rule as data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag, auto

from agnes.checks.model import Severity, Stage


class Where(Flag):
    """What kind of text a rule is about."""

    PROSE = auto()
    """Markdown, plain text, HTML, and the form."""
    CODE = auto()
    """Programs and scripts."""
    CONFIG = auto()
    """JSON, YAML, TOML and the like."""
    COMMAND = auto()
    """What runs by itself: hooks, servers, monitors, `!` commands of texts."""
    HIDDEN = auto()
    """What was hidden: decoded, in invisible characters, or in a comment of a page."""
    ANY = PROSE | CODE | CONFIG | COMMAND | HIDDEN
    RUNS = CODE | COMMAND | HIDDEN
    SAYS = PROSE | CONFIG | HIDDEN


@dataclass(frozen=True, slots=True)
class Rule:
    """Reported where all `terms` are found close to one another, and `unless` is not beside them.

    A term is a pattern in RE2's syntax, without regard to case unless it begins with `(?-i)`. Terms are short on purpose: what may
    be between them is `gap`, not part of a pattern, so that no input makes a pattern's automaton large. A rule without terms is
    computed, by the module that its reason names.
    """

    id: str
    """`<category>.<what>`; never given to another rule, as findings are stored."""
    severity: Severity
    reason: str
    advice: str
    example: str | bytes
    counter_example: str | bytes
    """Looks like the example, and is not reported by this rule."""
    terms: tuple[str, ...] = ()
    gap: int = 0
    """Bytes between the end of a term and the beginning of the next, at most."""
    ordered: bool = True
    """The terms are in this order; otherwise in any."""
    unless: str = ""
    """Not reported if this is in the lines of the finding or within 200 bytes before."""
    where: Where = Where.ANY
    in_prose: Severity | None = None
    """In texts that nothing runs by itself."""
    in_documents: Severity | None = None
    """In documents that an agent is not given by itself, such as a README or a reference: people decide to follow them."""
    quoted: Severity | None = None
    """In a text that nothing runs by itself, right behind a quotation mark: mostly of those who warn of it."""
    example_path: str = "skills/report/SKILL.md"
    counter_path: str = ""
    """As `example_path` if empty."""
    stage: Stage = Stage.SECURITY

    @property
    def category(self) -> str:
        return self.id.partition(".")[0]
