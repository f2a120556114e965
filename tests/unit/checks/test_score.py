"""The score of the static checks, held: what `make checks-score` prints and docs/checks.md quotes."""

from __future__ import annotations

import pytest

from agnes import checks
from agnes.checks import Allowance, Spend, Verdict
from agnes.kernel.clock import SystemClock
from agnes.kernel.ports import Secret
from agnes.outside.claude import Claude
from agnes.outside.scanners import scanners
from tests.builders.scripted_reviewer import ScriptedReviewer, honest
from tests.builders.uploads import score
from tests.builders.uploads.model import CLASSES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("half", "recall", "false_positives"),
    [("tuning", 0.98, 0.01), ("incidents", 0.92, 0.01), ("techniques", 0.93, 0.01), ("untuned", 0.74, 0.02)],
)
def test_the_score_is_held(half: str, recall: float, false_positives: float) -> None:
    found = score.score(half)
    assert sum(found.all[kind] for kind in CLASSES) == found.all["benign"] == score.MALICIOUS
    assert found.recall >= recall, found.lines()
    assert found.false_positives <= false_positives, [(one.id, one.template) for one, _ in found.wrong]


def test_samples_are_the_same_for_everybody() -> None:
    first, second = (score.HALVES["tuning"][0].samples(7, 40, 40) for _ in range(2))
    assert first == second
    other = score.HALVES["tuning"][0].samples(8, 40, 40)
    assert [one.bundle for one in other] != [one.bundle for one in first]


class _Free:
    def allowance(self) -> Allowance:
        return Allowance()

    def record(self, spend: Spend) -> None:
        """Counted by the review itself."""


def test_with_a_reviewer_nothing_is_published_that_either_of_the_two_holds() -> None:
    """The pipeline over a slice of the untuned half: static checks, then a scripted reviewer that judges by its own words."""
    held = {True: 0, False: 0}
    chosen = score.samples("untuned")[:24] + score.samples("untuned")[-16:]
    with ScriptedReviewer(judge=honest) as api:
        model = Claude(lambda: Secret("sk-ant-test"), base_url=api.url)
        for sample in chosen:
            report = score.report(sample)
            found = checks.review(
                sample.bundle, report, language_model=model, scanners=scanners(), budget=_Free(), clock=SystemClock()
            )
            static = score.is_held(report)
            published = not static and found.verdict is Verdict.SAFE
            held[sample.is_malicious] += not published
            assert not (published and static)
    assert held[True] >= 18
    assert held[False] == 0
