"""The checks that ask nobody: every byte of an upload against the rules."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from agnes.checks import capabilities, describing, files, flows, kinds, layers, lookalikes, matching, updating
from agnes.checks.describing import STANDARD, Thresholds
from agnes.checks.matching import Counts, Crowded, Matcher
from agnes.checks.model import Bundle, Finding, Report, Severity, Work
from agnes.checks.reporting import finding
from agnes.checks.rules import RULES
from agnes.checks.rules.model import Where
from agnes.claude_code.components import BY_KIND, Danger
from agnes.kernel.scanning import Patterns, Scanners
from agnes.marketplace import inventory

RULES_FORMAT = 2
"""Raised when the engine changes what it finds although no rule did."""
MAX_FINDINGS = 500
"""Of one report, the worst ones; a rule reports a file at most MAX_PER_FILE times."""
MAX_PER_FILE = 5
MAX_SECRET_LINES = 400
"""Lines of one file that look as if they held a secret and are asked about."""
MAX_PYTHON_BYTES = 200_000
"""Of a module whose syntax tree is read; larger ones are judged by patterns alone."""
MAX_PYTHON_BYTES_IN_ALL = 1_000_000
MAX_SCANNED_BYTES = 400_000_000
"""Of all layers of an upload: what is beyond is a finding."""


def digest(scanners: Scanners) -> str:
    """Of the rules and of the scanners' versions, in 16 hexadecimal digits."""
    return _digest(scanners.patterns.version, scanners.secrets.version, scanners.python.version)


@lru_cache
def _digest(*versions: str) -> str:
    return hashlib.sha256(repr((RULES_FORMAT, versions, RULES)).encode()).hexdigest()[:16]


def check(
    bundle: Bundle,
    scanners: Scanners,
    *,
    live: Bundle | None = None,
    curated_names: Collection[str] = (),
    thresholds: Thresholds = STANDARD,
) -> Report:
    """Every check that needs no model. `live` is the version that people have now, `curated_names` the served names of curated and
    required plugins, which no upload may resemble.

    Raises nothing for what an uploader wrote; the work is bounded (`Work`).
    """
    scan = _Scan(scanners, matcher(scanners.patterns))
    found = inventory.of_plugin(bundle.files)
    scan.add(describing.findings(bundle, found, thresholds))
    for path, body in bundle.texts().items():
        scan.file(path, body, is_executable=path in bundle.executables)
    scan.commands(found)
    scan.add(lookalikes.findings(bundle.name, curated_names))
    now = capabilities.of(bundle)
    gained = capabilities.gained(live, now) if live else None
    report = Report(
        scan.sorted(),
        now,
        gained,
        digest(scanners),
        replace(scan.work, windows=scan.counts.windows, window_bytes=scan.counts.window_bytes, spans=scan.counts.spans),
    )
    if live is None or gained is None:
        return report
    before = _Scan(scanners, scan.matcher)
    for path, body in live.texts().items():
        if bundle.files.get(path) != body:
            before.file(path, body, is_executable=path in live.executables)
    scan.add(updating.findings(bundle, live, report, before.sorted(), gained))
    return replace(report, findings=scan.sorted())


@lru_cache
def matcher(patterns: Patterns) -> Matcher:
    return Matcher.of(RULES, patterns)


@dataclass(slots=True)
class _Scan:
    scanners: Scanners
    matcher: Matcher
    findings: dict[tuple[str, str, int], Finding] = field(default_factory=dict)
    reported: dict[tuple[str, str], int] = field(default_factory=dict)
    work: Work = field(default_factory=Work)
    python_bytes: int = 0
    counts: Counts = field(default_factory=Counts)

    def add(self, found: Iterable[Finding]) -> None:
        for one in found:
            key = (one.rule, one.path, one.line)
            known = self.findings.get(key)
            if known is None:
                count = self.reported.get((one.rule, one.path), 0)
                if count >= MAX_PER_FILE:
                    continue
                self.reported[one.rule, one.path] = count + 1
            if known is None or known.severity.rank < one.severity.rank:
                self.findings[key] = one

    def sorted(self) -> tuple[Finding, ...]:
        order = sorted(self.findings.values(), key=lambda one: (-one.severity.rank, one.path, one.line, one.rule))
        return tuple(order[:MAX_FINDINGS])

    def file(self, path: str, body: bytes, *, is_executable: bool = False) -> None:
        """A file, and what is in it if it is an archive."""
        self.work = replace(self.work, files=self.work.files + 1)
        unpacked = files.read(path, body, is_executable=is_executable)
        self.add(unpacked.findings)
        self.work = replace(self.work, unread=self.work.unread + unpacked.unread)
        for inner, content in unpacked.texts:
            self.text(inner, content, kinds.where(inner, content))

    def text(self, path: str, body: bytes, where: Where) -> None:
        """A text and every other reading of it."""
        if not self.count(path, body):
            return
        self.add(self.hits(path, body, where))
        self.add(self.secrets(path, body))
        if where & Where.CODE and kinds.ending(path) in (".py", ".pyw") and len(body) <= MAX_PYTHON_BYTES:
            self.add(self.python(path, body))
        if where & (Where.CODE | Where.CONFIG):
            self.add(self.flows(path, body))
        if where & Where.CONFIG and (plain := layers.json_texts(body)) and self.count(path, plain):
            self.add(self.hits(path, plain, where, line=0))
        if where & Where.PROSE and self.count(path, spelled := layers.leet(body)):
            self.add(one for one in self.hits(path, spelled, where) if one.rule.startswith("injection."))
        for layer in layers.of(body, self.scanners.patterns):
            if not self.count(path, layer.body):
                return
            inner = files.signature_finding(path, layer, _line(body, layer.at))
            self.add([inner] if inner else [])
            seen = where | (Where.HIDDEN if layer.is_hidden else Where(0))
            line = None if layer.keeps_lines else _line(body, layer.at)
            self.add(self.hits(path, layer.body, seen, line=line, how=layer.how, is_hidden=layer.is_hidden))
            if seen & (Where.CODE | Where.CONFIG | Where.HIDDEN):
                self.add(self.flows(path, layer.body, line=line, how=layer.how))

    def count(self, path: str, body: bytes) -> bool:
        """Whether there is room for one more layer; what is left out is a finding."""
        total = self.work.scanned_bytes + len(body)
        if total > MAX_SCANNED_BYTES:
            self.add([finding("file.unread", path, detail="the upload has more to read than a check takes")])
            self.work = replace(self.work, unread=self.work.unread + 1)
            return False
        self.work = replace(self.work, scanned_bytes=total, layers=self.work.layers + 1)
        return True

    def hits(
        self, path: str, body: bytes, where: Where, *, line: int | None = None, how: str = "", is_hidden: bool = False
    ) -> Iterator[Finding]:
        lines = _Lines(body)
        for hit in self.matcher.hits(body, where, self.counts):
            if isinstance(hit, Crowded):
                place = lines.of(hit.at) if line is None else line
                yield finding("file.crowded", path, place, detail=hit.rule.reason.partition(":")[0])
                continue
            severity = matching.severity_in(
                hit.rule, where, quoted=matching.is_quoted(body, hit.start), is_document=kinds.is_document(path)
            )
            if is_hidden and severity.holds:
                severity = Severity.CRITICAL  # whoever hides it knows what it is
            yield finding(hit.rule.id, path, lines.of(hit.start) if line is None else line, severity=severity, how=how)

    def secrets(self, path: str, body: bytes) -> Iterator[Finding]:
        lines = _Lines(body)
        patterns = self.scanners.patterns.compile(SECRET_LINES)
        seen = set()
        for number in patterns.present(body):
            for start, _ in patterns.spans(number, body, MAX_SECRET_LINES):
                left = max(body.rfind(b"\n", max(0, start - 200), start) + 1, start - 200, 0)
                right = body.find(b"\n", start, start + 1000)
                if left in seen:
                    continue
                seen.add(left)
                text = body[left : right if right >= 0 else start + 1000].decode("utf-8", "replace")
                for secret in self.scanners.secrets.secrets(text):
                    rule = "secrets.form" if secret.is_certain else "secrets.assigned"
                    yield finding(rule, path, lines.of(start), detail=secret.kind)

    def python(self, path: str, body: bytes) -> Iterator[Finding]:
        if self.python_bytes + len(body) > MAX_PYTHON_BYTES_IN_ALL:
            return
        patterns = self.scanners.patterns.compile(PYTHON_WORDS)
        if not patterns.present(body):
            return
        self.python_bytes += len(body)
        for one in self.scanners.python.findings(body) or ():
            yield finding("remote-code.bandit", path, one.line, detail=f"{one.message} ({one.code})")

    def flows(self, path: str, body: bytes, *, line: int | None = None, how: str = "") -> Iterator[Finding]:
        for one in flows.of(body, self.scanners.patterns):
            yield finding(one.rule, path, one.line if line is None else line, how=how)

    def commands(self, found: inventory.Inventory) -> None:
        """What runs by itself, as it is run: decoded from the JSON or YAML that holds it."""
        for component in found.components:
            if BY_KIND[component.kind].danger not in (Danger.PROCESS, Danger.CLIENT):
                continue
            for command in component.lines:
                body = command.encode("utf-8", "replace")
                if self.count(component.path, body):
                    self.add(self.hits(component.path, body, Where.COMMAND | Where.CODE, line=0))
                    self.add(self.flows(component.path, body, line=0))


class _Lines:
    """Line numbers of places; the places are asked in any order."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def of(self, at: int) -> int:
        return self._body.count(b"\n", 0, at) + 1


def _line(body: bytes, at: int) -> int:
    return body.count(b"\n", 0, max(at, 0)) + 1


SECRET_LINES = (
    r"(?i)\b(?:api[_-]?key|secret|token|passw(?:or)?d|pwd|credential|auth)[\w-]{0,20}[\"']?\s{0,3}(?:=|:|=>|:=)\s{0,3}[\"']?[^\s\"'$<{]{12}",
    r"\b(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z0-9]{16}\b",
    r"\b(?:ghp|gho|ghu|ghs|ghr)_[A-Za-z0-9]{30}|\bglpat-[\w-]{20}|\bnpm_[A-Za-z0-9]{30}|\bpypi-[A-Za-z0-9_-]{50}",
    r"\bxox[a-z]-[\w-]{10}|hooks\.slack\.com/services/|\bSG\.[\w-]{15}|\bsk_live_|\brk_live_|\bsq0[a-z]{3}-",
    r"\bsk-[A-Za-z0-9-]{20}|\bAccountKey=|\beyJ[A-Za-z0-9_-]{10,}\.eyJ|\b\d{8,10}:[\w-]{35}|\bAKC[a-zA-Z0-9]{10}|-us\d{1,2}\b",
    r"\b(?:AC|SK)[a-z0-9]{32}\b|[MN][\w-]{23,25}\.[\w-]{6}\.[\w-]{27}",
)
"""Lines that the scanner of secrets is asked about: each has the form of one, or gives something to a variable of such a name."""
PYTHON_WORDS = (
    r"\b(?:exec|eval|pickle|cPickle|dill|marshal|shell|system|popen|extractall|verify|yaml|paramiko|torch|subprocess|shelve)\b",
)
