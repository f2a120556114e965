"""Looks up the pins in feeds of known vulnerabilities, and says which pins nobody looked up.

    make audit                          pip-audit (PyPI, then OSV) and npm audit
    make audit ADVISORIES=folder        an offline copy instead: a folder of OSV files, as the advisory databases have them

Exit status: 0 every pin was looked up and none is vulnerable; 1 vulnerabilities were found; 3 no feed answered for some
or all of them, so that nothing is known about those. MinIO's Go modules are only used by tests, and not looked up.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from agnes_local import pins

CLEAN, VULNERABLE, NOT_LOOKED_UP = 0, 1, 3
SECONDS = 300
MAX_AGE_DAYS = 30
FILES = (pins.CONSTRAINTS, pins.LAMBDA_RUNTIME, pins.LOCALSTACK)
"""LocalStack's own environment is old on purpose, and runs in tests only: what is found there is told, and no failure."""


@dataclass
class Audit:
    """What was found about one file of pins."""

    subject: str
    feed: str = ""
    looked_up: set[str] = field(default_factory=set)
    """`name version` of each pin that a feed knew or would have known."""
    missed: dict[str, str] = field(default_factory=dict)
    """Why nothing is known about a pin."""
    found: dict[str, list[str]] = field(default_factory=dict)
    """Identifiers of advisories, by pin."""

    def lines(self) -> Iterator[str]:
        total = len(self.looked_up) + len(self.missed)
        yield f"{self.subject}: {len(self.looked_up)} of {total} pins looked up in {self.feed}, {len(self.found)} vulnerable"
        for pin, advisories in sorted(self.found.items()):
            yield f"  VULNERABLE {pin}: {', '.join(advisories)}"
        if self.missed:
            reasons = sorted(set(self.missed.values()))
            some = ", ".join(sorted(self.missed)[:5]) + (" …" if len(self.missed) > 5 else "")
            yield f"  NOT LOOKED UP {len(self.missed)} ({some}): {'; '.join(reasons[:3])[:300]}"


def status_of(audits: Iterable[Audit]) -> int:
    audits = list(audits)
    if any(audit.found for audit in audits if audit.subject != str(pins.LOCALSTACK.relative_to(pins.ROOT))):
        return VULNERABLE
    return CLEAN if audits and all(audit.looked_up and not audit.missed for audit in audits) else NOT_LOOKED_UP


def by_feeds() -> list[Audit]:
    away: set[str] = set()
    return [*(python(file, away) for file in FILES), *(npm(lock) for lock in sorted(pins.NPM.iterdir()))]


def python(file: Path, away: set[str]) -> Audit:
    """By pip-audit: from PyPI, and from OSV what PyPI did not know.

    A feed that knew no pin of a file is added to `away`, and not asked again.
    """
    audit = Audit(str(file.relative_to(pins.ROOT)), "PyPI and OSV")
    waiting = everything = pins.read(file)
    for service in ("pypi", "osv"):
        if service in away:
            continue
        missed = []
        while waiting:
            # A call may have one version of a name; another platform's is looked up by the next.
            batch = {pin.name: pin for pin in waiting}
            waiting = [pin for pin in waiting if batch[pin.name] is not pin]
            done = _pip_audit(list(batch.values()), service)
            missed += [pin for pin in batch.values() if not _take(audit, pin, done)]
        if len(missed) == len(everything):
            away.add(service)
        waiting = missed
    for pin in waiting:
        audit.missed.setdefault(f"{pin.name} {pin.version}", "the feeds knew no pin of another file")
    return audit


def _pip_audit(batch: Sequence[pins.Pin], service: str) -> subprocess.CompletedProcess[str]:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as asked:
        asked.writelines(f"{pin.name}=={pin.version}\n" for pin in batch)
        asked.flush()
        command = [sys.executable, "-m", "pip_audit", "--requirement", asked.name, "--no-deps", "--disable-pip"]
        command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)


def _take(audit: Audit, asked: pins.Pin, done: subprocess.CompletedProcess[str]) -> bool:
    """Whether pip-audit looked this pin up."""
    pin = f"{asked.name} {asked.version}"
    try:
        answers = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        said = (done.stderr.strip().splitlines() or ["pip-audit said nothing"])[-1]
        audit.missed.setdefault(pin, said[:200])
        return False
    own = [one for one in answers if canonicalize_name(one["name"]) == asked.name]
    if not own or "skip_reason" in own[0]:
        audit.missed[pin] = own[0]["skip_reason"].partition(":")[0] if own else "pip-audit left it out"
        return False
    audit.missed.pop(pin, None)
    audit.looked_up.add(pin)
    if own[0]["vulns"]:
        audit.found[pin] = sorted(one["id"] for one in own[0]["vulns"])
    return True


def npm(lock: Path) -> Audit:
    audit = Audit(str(lock.relative_to(pins.ROOT)), "npm")
    packages = npm_pins(lock)
    command = ["npm", "audit", "--package-lock-only", "--json", "--loglevel=error"]
    done = subprocess.run(command, cwd=lock, capture_output=True, text=True, check=False, timeout=SECONDS)
    try:
        answer = json.loads(done.stdout)
        vulnerable = answer["vulnerabilities"]
    except (ValueError, KeyError, TypeError):
        audit.missed = dict.fromkeys(packages, "npm's audit endpoint gave no answer")
        return audit
    audit.looked_up = set(packages)
    for name, one in vulnerable.items():
        known = [pin for pin in packages if pin.rpartition(" ")[0] == name]
        sources = [via["url"] if isinstance(via, dict) else via for via in one["via"]]
        audit.found |= {pin: sorted(sources) for pin in known}
    return audit


def npm_pins(lock: Path) -> list[str]:
    packages = json.loads((lock / "package-lock.json").read_text())["packages"]
    return [f"{key.rpartition('node_modules/')[2]} {one['version']}" for key, one in packages.items() if key]


def by_copy(folder: Path, *, today: date) -> list[Audit]:
    """By a folder of OSV files. Raises ValueError if it has none.

    A copy knows nothing of what was published after it: in one that ended more than 30 days ago, a pin that is not
    found counts as not looked up.
    """
    advisories = list(read_advisories(folder))
    if not advisories:
        raise ValueError(f"{folder} has no advisory: neither .json nor .yaml files with an `id` and `affected`")
    newest = max(str(one.get("modified") or one.get("published") or "") for one in advisories)
    feed = f"an offline copy of {len(advisories)} advisories, the newest of {newest[:10]}"
    is_old = newest[:10] < (today - timedelta(days=MAX_AGE_DAYS)).isoformat()
    by_name: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for advisory in advisories:
        for affected in advisory["affected"]:
            package = affected.get("package", {})
            ecosystem = str(package.get("ecosystem", ""))
            name = str(package.get("name", ""))
            key = (ecosystem, canonicalize_name(name) if ecosystem == "PyPI" else name)
            by_name.setdefault(key, []).append((str(advisory["id"]), affected))
    ecosystems = {ecosystem for ecosystem, _ in by_name}
    asked = [(file, "PyPI", [f"{pin.name} {pin.version}" for pin in pins.read(file)]) for file in FILES]
    asked += [(lock, "npm", npm_pins(lock)) for lock in sorted(pins.NPM.iterdir())]
    audits = []
    for subject, ecosystem, wanted in asked:
        audit = Audit(str(subject.relative_to(pins.ROOT)), feed)
        audits.append(audit)
        if ecosystem not in ecosystems:
            audit.missed = dict.fromkeys(wanted, f"the copy has no advisory of {ecosystem}")
            continue
        for pin in wanted:
            name, _, version = pin.rpartition(" ")
            known = by_name.get((ecosystem, name), ())
            if hit := sorted({identifier for identifier, affected in known if is_affected(version, affected)}):
                audit.found[pin] = hit
            if is_old and not hit:
                audit.missed[pin] = f"the copy ended more than {MAX_AGE_DAYS} days ago"
            else:
                audit.looked_up.add(pin)
    return audits


def read_advisories(folder: Path) -> Iterator[Mapping[str, Any]]:
    """OSV records that are not withdrawn. What is not one is left out."""
    for file in sorted(folder.rglob("*")):
        if file.suffix not in (".json", ".yaml", ".yml") or not file.is_file():
            continue
        try:
            text = file.read_text()
            found = (
                json.loads(text)
                if file.suffix == ".json"
                else yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            )
        except (ValueError, yaml.YAMLError):
            continue
        if isinstance(found, dict) and "id" in found and found.get("affected") and not found.get("withdrawn"):
            yield found


def is_affected(version: str, affected: Mapping[str, Any]) -> bool:
    """Whether a version is listed or within a range, as the OSV format's rules of evaluation say.

    A version that cannot be compared is taken for affected: somebody has to look.
    """
    if version in map(str, affected.get("versions") or ()):
        return True
    return any(
        _in_range(version, one.get("events", ()))
        for one in affected.get("ranges") or ()
        if one.get("type") in ("ECOSYSTEM", "SEMVER")
    )


def _in_range(version: str, events: Iterable[Mapping[str, str]]) -> bool:
    try:
        mine = Version(version)
        ordered = sorted(
            (
                (Version("0") if text == "0" else Version(str(text)), kind)
                for event in events
                for kind, text in event.items()
                if kind != "limit"
            ),
            key=lambda event: event[0],
        )
    except InvalidVersion:
        return True
    vulnerable = False
    for bound, kind in ordered:
        if kind == "introduced" and mine >= bound:
            vulnerable = True
        elif (kind == "fixed" and mine >= bound) or (kind == "last_affected" and mine > bound):
            vulnerable = False
    return vulnerable


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--advisories", type=Path, metavar="FOLDER", help="an offline copy of OSV files")
    options = parser.parse_args()
    try:
        audits = by_copy(options.advisories, today=datetime.now(UTC).date()) if options.advisories else by_feeds()
    except (ValueError, OSError, subprocess.TimeoutExpired) as error:
        print(f"audit: {error}", file=sys.stderr)
        return NOT_LOOKED_UP
    for audit in audits:
        print("\n".join(audit.lines()))
    status = status_of(audits)
    print(
        {
            CLEAN: "Every pin was looked up; none is known to be vulnerable.",
            VULNERABLE: "Pins are known to be vulnerable. Raise them: make pins UPGRADE=<distribution>.",
            NOT_LOOKED_UP: "THE AUDIT IS INCOMPLETE: no feed answered for the pins above, so nothing is known about them.",
        }[status]
    )
    return status


if __name__ == "__main__":
    sys.exit(main())
