"""An update against the version that people have: most attacks on a shared plugin come with one."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from agnes.checks.model import GAINS, Bundle, Finding, Report, Severity, Stage
from agnes.checks.reporting import finding
from agnes.marketplace.capabilities import Capabilities

LABELS = {
    "hosts": "hosts",
    "tools": "allowed tools",
    "executables": "executable files",
    "shell": "shell commands",
    "servers": "servers",
}
MIN_KEPT = 0.2
"""Of the words of the live version, what an update of the same thing keeps at least."""
MIN_WORDS = 40
MEDIUM_GAINS = ("hosts", "tools", "executables", "dependencies")
"""Groups that grow in ordinary work: a note beside the review's difference, which shows them in red, unless something else is found."""


def findings(
    bundle: Bundle, live: Bundle, report: Report, before: Collection[Finding], gained: Capabilities
) -> Iterator[Finding]:
    """`before` are the findings of the live version's files that changed."""
    groups = [group for group in GAINS if getattr(gained, group)]
    known = {(one.rule, one.path) for one in before}
    new = [
        one
        for one in report.of(Stage.SECURITY)
        if (one.rule, one.path) not in known and one.path in _changed(bundle, live)
    ]
    if groups:
        detail = ", ".join(LABELS.get(group, group) for group in groups)
        runs = any(group not in MEDIUM_GAINS for group in groups)
        suspicious = any(one.severity.rank >= Severity.MEDIUM.rank for one in new)
        yield finding(
            "update.gains",
            _where(bundle, live),
            detail=detail,
            severity=None if runs or suspicious else Severity.MEDIUM,
        )
    worse = sorted({one.rule for one in new if one.severity.rank >= Severity.MEDIUM.rank})
    if worse:
        yield finding("update.worse", new[0].path, new[0].line, detail=", ".join(worse[:5]))
    if kept := _other_purpose(bundle, live):
        yield finding("update.other-purpose", "form:description", detail=kept)


def _changed(bundle: Bundle, live: Bundle) -> set[str]:
    old = live.texts()
    return {path for path, body in bundle.texts().items() if old.get(path) != body}


def _where(bundle: Bundle, live: Bundle) -> str:
    return min((path for path, body in bundle.files.items() if live.files.get(path) != body), default="form:name")


def _other_purpose(bundle: Bundle, live: Bundle) -> str:
    old, new = _words(live), _words(bundle)
    if len(old) < MIN_WORDS or len(new) < MIN_WORDS:
        return ""
    kept = len(old & new) / len(old)
    return f"{kept:.0%} of its words are kept" if kept < MIN_KEPT else ""


def _words(bundle: Bundle) -> set[bytes]:
    return {
        word
        for path, body in bundle.files.items()
        if path.endswith(".md")
        for word in body[:200_000].lower().split()
        if len(word) > 3
    }
