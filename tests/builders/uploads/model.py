"""A sample, and the pieces that both halves put samples together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from agnes.checks import Bundle

CURATED = (
    "finops", "ledger-tools", "quarterly-report", "sales-dashboard", "data-quality", "sql-helper", "budget-planner", "invoice-reader", "chart-maker",
    "customer-insights", "forecasting", "payroll-check", "risk-register", "contract-review", "meeting-notes",
)  # fmt: skip
"""Names of curated plugins of the organisation."""
CLASSES = ("injection", "remote-code", "obfuscation", "exfiltration", "persistence", "weakening", "typosquat", "update")


@dataclass(frozen=True)
class Sample:
    id: str
    kind: str
    """One of CLASSES, or `benign`."""
    template: str
    bundle: Bundle
    live: Bundle | None = None

    @property
    def is_malicious(self) -> bool:
        return self.kind != "benign"


Files = dict[str, bytes]
Template = Callable[[Random, Files], "Files | Bundle | tuple[Bundle, Bundle]"]
"""Adds to a benign base. A bundle replaces it whole; two are the live version and its update."""


@dataclass(frozen=True)
class Half:
    name: str
    malicious: Mapping[str, Sequence[Template]]
    benign: Sequence[Template]
    base: Callable[[Random], tuple[str, str, Files]]
    """(name, description, files) of a harmless upload."""
    topics: Sequence[str] = field(default=())

    def samples(self, seed: int, malicious: int, benign: int) -> list[Sample]:
        """By turns through classes and templates, each drawn with a seed of its own."""
        found = []
        for number in range(malicious):
            kind = CLASSES[number % len(CLASSES)]
            templates = self.malicious[kind]
            template = templates[number // len(CLASSES) % len(templates)]
            found.append(self._sample(f"{self.name}-m{number:03d}", kind, template, Random(f"{seed}-m-{number}")))
        for number in range(benign):
            template = self.benign[number % len(self.benign)]
            found.append(self._sample(f"{self.name}-b{number:03d}", "benign", template, Random(f"{seed}-b-{number}")))
        return found

    def _sample(self, sample_id: str, kind: str, template: Template, random: Random) -> Sample:
        name, description, files = self.base(random)
        owner = random.choice(("ana", "bela", "carl", "dora", "emil"))
        made = template(random, dict(files))
        base = Bundle(
            "plugin" if ".claude-plugin/plugin.json" in files else "skill", f"{name}-by-{owner}", files, description
        )
        label = template.__name__
        if isinstance(made, tuple):
            return Sample(sample_id, kind, label, made[1], made[0])
        if isinstance(made, Bundle):
            return Sample(sample_id, kind, label, replace(made, description=made.description or description))
        return Sample(
            sample_id,
            kind,
            label,
            replace(base, files=made, type=base.type if ".claude-plugin/plugin.json" not in made else "plugin"),
        )


def pick(random: Random, *choices: str) -> str:
    return random.choice(choices)


def into_text(random: Random, files: Files, passage: str) -> Files:
    """A passage at a drawn place of a drawn Markdown file."""
    path = random.choice(sorted(path for path in files if path.endswith(".md")))
    head, mark, text = files[path].decode().rpartition("---\n")
    lines = text.split("\n")
    at = random.randrange(len(lines) + 1)
    lines[at:at] = ["", passage, ""]
    return {**files, path: (head + mark + "\n".join(lines)).encode()}
