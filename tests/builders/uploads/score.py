"""`python -m tests.builders.uploads.score [--half tuning|incidents|techniques|untuned] [--list]`: recall and false positives of the static checks, by class.

`--list` names the samples that are judged wrongly; it is for the half that rules are tuned on.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from agnes import checks
from agnes.checks import Outcome, Report
from agnes.outside.scanners import scanners
from tests.builders.uploads import incidents, techniques, tuning, untuned
from tests.builders.uploads.model import CLASSES, CURATED, Half, Sample

HALVES: dict[str, tuple[Half, int]] = {
    "tuning": (tuning.HALF, 20261130),
    "incidents": (incidents.HALF, 817_504_163),
    "techniques": (techniques.HALF, 731_255),
    "untuned": (untuned.HALF, 55_019_287),
}
"""Half → its templates and the seed that its samples are drawn with."""
MALICIOUS = BENIGN = 250
"""Of each half."""


def samples(half: str) -> list[Sample]:
    templates, seed = HALVES[half]
    return templates.samples(seed, MALICIOUS, BENIGN)


def report(sample: Sample) -> Report:
    return checks.check(sample.bundle, scanners(), live=sample.live, curated_names=CURATED)


def is_held(found: Report) -> bool:
    """Whether nobody is served before a person looked: updates that gain capabilities always wait. Poor descriptions do not count: they are no judgement of safety."""
    return found.gains_capabilities or any(one.severity.holds for one in found.of(checks.Stage.SECURITY))


@dataclass(frozen=True)
class Score:
    found: dict[str, int]
    all: dict[str, int]
    wrong: Sequence[tuple[Sample, Report]]

    @property
    def recall(self) -> float:
        return sum(self.found[kind] for kind in CLASSES) / sum(self.all[kind] for kind in CLASSES)

    @property
    def false_positives(self) -> float:
        return self.found["benign"] / self.all["benign"]

    def lines(self) -> list[dict[str, object]]:
        by_class: list[dict[str, object]] = [
            {
                "class": kind,
                "samples": self.all[kind],
                "held": self.found[kind],
                "rate": round(self.found[kind] / self.all[kind], 4),
            }
            for kind in (*CLASSES, "benign")
        ]
        return [
            *by_class,
            {"class": "all malicious", "rate": round(self.recall, 4)},
            {"class": "false positives", "rate": round(self.false_positives, 4)},
        ]


def score(half: str) -> Score:
    found: dict[str, int] = defaultdict(int)
    every: dict[str, int] = defaultdict(int)
    wrong = []
    for sample in samples(half):
        judged = report(sample)
        every[sample.kind] += 1
        found[sample.kind] += is_held(judged)
        if is_held(judged) != sample.is_malicious or judged.outcome is Outcome.INVALID:
            wrong.append((sample, judged))
    return Score(found, every, wrong)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.builders.uploads.score", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--half", choices=list(HALVES), action="append")
    parser.add_argument("--list", action="store_true", help="name what is judged wrongly")
    options = parser.parse_args()
    for half in options.half or list(HALVES):
        result = score(half)
        for line in result.lines():
            print(json.dumps({"half": half, **line}))
        for sample, judged in result.wrong if options.list else ():
            print(
                sample.id,
                sample.kind,
                sample.template,
                judged.outcome,
                sorted({(f.rule, f.severity.value, f.path) for f in judged.findings if f.severity.rank >= 2}),
            )


if __name__ == "__main__":
    main()
