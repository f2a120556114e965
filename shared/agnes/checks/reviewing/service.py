"""Runs a review: chunk by chunk, within what may be spent, and never approving what was not read."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from random import Random

from pydantic import ValidationError

from agnes.checks.model import Bundle, Finding, Report, Severity, Stage
from agnes.checks.reviewing import chunks, prompting
from agnes.checks.reviewing.chunks import Chunk, Reading
from agnes.checks.reviewing.model import (
    RISKS,
    Answer,
    Budget,
    ChunkRead,
    Reason,
    Review,
    Risk,
    Spend,
    Verdict,
    severity_of,
)
from agnes.claude_code import asked_models
from agnes.kernel.llm import (
    ChatMessage,
    Completion,
    LanguageModel,
    ModelNotConfigured,
    ModelOutputUnusable,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    TokenCounts,
    Trouble,
)
from agnes.kernel.ports import Clock
from agnes.kernel.scanning import Scanners
from agnes.marketplace.capabilities import GROUPS, Capabilities

MAX_CHUNKS = 150
"""Near 5 MB of text; more waits for an admin, as does what cannot be read."""
MAX_TOKENS = 6_000
"""Of an answer, doubled twice if it is cut off."""
REQUEST_SECONDS = 180.0
RUN_SECONDS = 600.0
"""Of one run; what is left is read by the next one."""
ANSWERS = 3
"""Asked for one chunk: an answer without its proofs is thrown away, and asked for again with another canary."""
BYTES_A_TOKEN = 2.5
"""Of text, at least: what a request will cost is estimated before it is sent."""
MAX_EXPLANATION_CHARACTERS = 600


@dataclass(slots=True)
class _Run:
    language_model: LanguageModel
    budget: Budget
    model: str
    day: date
    draw: Callable[[], int]
    tokens: TokenCounts = field(default_factory=TokenCounts)
    cost: float | None = 0.0
    missed: int = 0

    def price(self, tokens: TokenCounts) -> float | None:
        return asked_models.dollars(self.model, tokens, self.day)

    def spend(self, tokens: TokenCounts) -> None:
        if tokens == TokenCounts():
            return
        usd = self.price(tokens)
        self.tokens = self.tokens + tokens
        self.cost = None if usd is None or self.cost is None else self.cost + usd
        self.budget.record(Spend(self.model, tokens, usd))

    def refusal(self, prompt: Prompt) -> Reason | None:
        """Why a request may not be sent: its answer at its longest is what counts."""
        allowance = self.budget.allowance()
        if allowance.person_usd is None and allowance.total_usd is None:
            return None
        size = len(prompt.system) + sum(len(turn.text.encode()) for turn in prompt.turns)
        usd = self.price(TokenCounts(math.ceil(size / BYTES_A_TOKEN), prompt.max_tokens))
        if usd is None:
            return Reason.NO_PRICE
        if allowance.person_usd is not None and usd > allowance.person_usd:
            return Reason.PERSON_CAP
        return Reason.TOTAL_CAP if allowance.total_usd is not None and usd > allowance.total_usd else None


class _Stop(Exception):
    def __init__(self, verdict: Verdict, reason: Reason) -> None:
        super().__init__(reason.value)
        self.verdict = verdict
        self.reason = reason


def review(
    bundle: Bundle,
    report: Report,
    *,
    language_model: LanguageModel,
    scanners: Scanners,
    budget: Budget,
    clock: Clock,
    model: str = "haiku",
    earlier: Iterable[ChunkRead] = (),
    draw: Callable[[], int] = lambda: secrets.randbits(128),
    run_seconds: float = RUN_SECONDS,
) -> Review:
    """The model's judgement of everything in an upload: form, names, documents, texts in pictures, files, decoded words.

    `report` is that of `check`: its capabilities are shown to the model, and lines with secrets are kept out of what it says.
    `earlier` are chunks that an interrupted run has read (`Review.read`). `draw` seeds nonces, words and canaries.
    Errors of the model become verdicts; what the budget raises passes through.
    """
    name = asked_models.full_name(model)
    run = _Run(language_model, budget, name, clock.now().date(), draw)
    reading = chunks.read(bundle, scanners.patterns)
    read: list[ChunkRead] = []
    stop: _Stop | None = None
    try:
        _refuse_unread(reading)
        try:
            language_model.require()
        except ModelNotConfigured:
            raise _Stop(Verdict.WAITING, Reason.NO_KEY) from None
        known = {one.digest: one for one in earlier}
        hidden = _secret_words(bundle, report)
        began = clock.monotonic()
        for number, chunk in enumerate(reading.chunks, 1):
            digest = f"{prompting.PROMPT_FORMAT}-{name}-{chunk.digest}"
            if digest not in known:
                if clock.monotonic() - began > run_seconds:
                    raise _Stop(Verdict.ERROR, Reason.TIME)
                answer, paths = _ask(run, chunk, (number, len(reading.chunks)), reading.listing, report.capabilities)
                known[digest] = _kept(digest, answer, paths, hidden)
            read.append(known[digest])
    except _Stop as caught:
        stop = caught
    return _summed(run, reading, read, stop)


def _refuse_unread(reading: Reading) -> None:
    if reading.unreadable:
        raise _Stop(Verdict.WAITING, Reason.UNREADABLE)
    if len(reading.chunks) > MAX_CHUNKS:
        raise _Stop(Verdict.WAITING, Reason.TOO_LARGE)


def _ask(
    run: _Run, chunk: Chunk, place: tuple[int, int], listing: str, capabilities: Capabilities
) -> tuple[Answer, Mapping[int, str]]:
    """An answer with its proofs, and the path of each file number; that of the canary is missing. Raises _Stop."""
    for _ in range(ANSWERS):
        request = prompting.compose(chunk, place, listing, _shown(capabilities), Random(run.draw()))  # noqa: S311 (seeded by `secrets`)
        prompt = Prompt(
            run.model,
            prompting.SYSTEM,
            (ChatMessage("user", request.text),),
            prompting.schema(),
            MAX_TOKENS,
            REQUEST_SECONDS,
            is_patient=True,
        )
        if refusal := run.refusal(prompt):
            raise _Stop(Verdict.WAITING, refusal)
        completion = _complete(run, prompt)
        try:
            answer = prompting.judged(completion.value, request)
        except (prompting.Unreliable, ValidationError):
            run.missed += 1
            continue
        return answer, {number: path for number, path in request.paths.items() if number != request.canary}
    raise _Stop(Verdict.WAITING, Reason.UNRELIABLE)


def _complete(run: _Run, prompt: Prompt) -> Completion:
    try:
        completion = run.language_model.complete(prompt)
    except ModelNotConfigured:
        raise _Stop(Verdict.WAITING, Reason.NO_KEY) from None
    except ModelRefused as error:
        run.spend(error.tokens)
        raise _Stop(Verdict.WAITING, Reason.MODEL_REFUSED) from None
    except ModelOutputUnusable as error:
        run.spend(error.tokens)
        raise _Stop(Verdict.WAITING, Reason.ANSWER_UNUSABLE) from None
    except ModelUnavailable as error:
        run.spend(error.tokens)
        if error.trouble is Trouble.REFUSED:
            raise _Stop(Verdict.WAITING, Reason.NO_KEY) from None
        raise _Stop(Verdict.ERROR, Reason.MODEL_UNAVAILABLE) from None
    run.spend(completion.tokens)
    return completion


def _shown(capabilities: Capabilities) -> str:
    lines = [f"{group}: {line}" for group in GROUPS for line in getattr(capabilities, group)]
    return chunks.visible("\n".join(lines[:200])) or "none"


def _kept(digest: str, answer: Answer, paths: Mapping[int, str], hidden: frozenset[str]) -> ChunkRead:
    """What an answer says of real files."""
    found = [
        Finding(
            f"review.{one.category.replace('_', '-')}",
            Severity(one.severity),
            _path(paths[one.file]),
            max(one.line, 0),
            _said(one.explanation, hidden),
            _said(one.advice, hidden),
            Stage.REVIEW,
        )
        for one in answer.findings
        if one.file in paths
    ]
    named = {one.file for one in answer.findings if Severity(one.severity).rank >= Severity.MEDIUM.rank}
    found += [
        Finding(
            "review.risk",
            severity_of(one.risk),
            _path(paths[one.file]),
            0,
            _said(one.reason, hidden),
            "An admin decides.",
            Stage.REVIEW,
        )
        for one in answer.files
        if one.file in paths and one.file not in named and RISKS.index(one.risk) >= RISKS.index("medium")
    ]
    poor = [one for one in answer.descriptions if one.file in paths]
    found += [
        Finding(
            "review.description",
            Severity.LOW,
            _path(paths[one.file]),
            0,
            _said(one.issue, hidden),
            _said(one.advice, hidden),
            Stage.REVIEW,
        )
        for one in poor
    ]
    risks = [one.risk for one in answer.files if one.file in paths]
    risk = max(risks, key=RISKS.index, default=RISKS[0])
    return ChunkRead(digest, risk, tuple(found), bool(poor), _said(answer.summary, hidden))


def _path(shown: str) -> str:
    return "form:description" if shown == "form" else shown.partition(" (")[0] if shown.endswith(")") else shown


def _said(text: str, hidden: frozenset[str]) -> str:
    """The model's words as one bounded line, without what may be a secret."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    for secret in hidden:
        plain = plain.replace(secret, "[secret]")
    return plain[:MAX_EXPLANATION_CHARACTERS]


def _secret_words(bundle: Bundle, report: Report) -> frozenset[str]:
    """Long words of the lines in which `check` found secrets."""
    texts = bundle.texts()
    found: set[str] = set()
    for one in report.findings:
        if one.rule.startswith("secrets.") and one.path in texts and one.line:
            lines = texts[one.path].split(b"\n")
            line = lines[one.line - 1 : one.line + 2]
            words = b" ".join(line).decode("utf-8", "replace").translate(_SEPARATORS).split()
            found |= {word for word in words if len(word) >= 10}
    return frozenset(sorted(found, key=len, reverse=True)[:500])


_SEPARATORS = str.maketrans(dict.fromkeys("\"'`=:,;()[]{}<>@", " "))


def _summed(run: _Run, reading: Reading, read: list[ChunkRead], stop: _Stop | None) -> Review:
    risk: Risk | None = max((one.risk for one in read), key=RISKS.index, default=None)
    findings = tuple(
        sorted(
            (one for part in read for one in part.findings), key=lambda one: (-one.severity.rank, one.path, one.line)
        )
    )
    is_risky = any(one.severity.holds for one in findings) or (
        risk is not None and RISKS.index(risk) > RISKS.index("low")
    )
    verdict, reason = Verdict.SAFE, None
    if is_risky:  # known already, whatever stopped the rest
        verdict, reason = Verdict.UNSAFE, Reason.RISK
    elif stop is not None:
        verdict, reason = stop.verdict, stop.reason
    elif any(one.is_poor for one in read):
        verdict, reason = Verdict.UNSAFE, Reason.QUALITY
    summary = " ".join(one.summary for one in read)[:2000]
    return Review(
        verdict,
        reason,
        risk,
        summary,
        findings,
        run.model,
        len(reading.chunks),
        tuple(read),
        run.tokens,
        run.cost,
        run.missed,
    )
