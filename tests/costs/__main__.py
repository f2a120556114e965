"""`make cost`: dollars for a million requests, for months of people and for an idle installation, beside the goals.

The counts come from this run, the prices from `agnes.hosting.aws_prices`; times are of this machine, so a busy one shows more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from agnes.hosting import aws_prices as prices
from agnes.hosting import bill
from agnes.hosting.bill import Tariff
from tests.costs import month
from tests.costs.scenarios import WRITERS, Measured, measure

WINDOW = ", asked twice within a second"
GOALS = {
    ("rest", f"page{WINDOW}"): 4.50,
    ("rest", f"items{WINDOW}"): 4.50,
    ("rest", "page"): 4.50,
    ("rest", "items"): 4.50,
    ("http", "page"): 2.20,
    ("http", "items"): 2.20,
    ("http", f"page{WINDOW}"): 2.20,
    ("http", f"items{WINDOW}"): 2.20,
    ("rest", "commit alone"): 10,
    ("rest", f"commit at {WRITERS}"): 20,
}
PEOPLE = (20, 200, 2000)
MONTH_GOAL, IDLE_GOAL = {200: 5.0}, 1.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.costs", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object, with every line of every bill")
    parser.add_argument("--architecture", choices=("arm64", "x86_64"), default="arm64")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="agnes-cost-") as folder:
        found = measure(Path(folder))
    tariffs = {kind: Tariff(kind, options.architecture) for kind in ("rest", "http")}
    print(json.dumps(_everything(found, tariffs), indent=1) if options.json else _text(found, tariffs))
    return 0


def _everything(found: Measured, tariffs: dict[str, Tariff]) -> dict:
    return {
        "prices_of": prices.DATE,
        "per_million": {
            kind: {name: month.scaled(month.cost(works, tariff), 1e6) for name, works in found.works.items()}
            for kind, tariff in tariffs.items()
        },
        "months": {
            kind: {people: vars(month.of_people(found, people, tariff)) for people in PEOPLE}
            for kind, tariff in tariffs.items()
        },
        "idle": month.idle(found, tariffs["rest"]),
    }


def _text(found: Measured, tariffs: dict[str, Tariff]) -> str:
    lines = [
        f"AWS list prices of {prices.DATE}, {prices.REGION}, {tariffs['rest'].architecture}; no free allowances",
        "",
    ]
    lines += [f"{'Dollars for a million':<40}{'REST':>9}{'HTTP':>9}   GET   PUT  LIST    ms"]
    for name, works in found.works.items():
        both = [month.dollars(month.cost(works, tariffs[kind])) * 1e6 for kind in ("rest", "http")]
        calls = [
            sum(w.calls.gets + w.calls.handed_gets for w in works),
            sum(w.calls.puts + w.calls.handed_puts for w in works),
            sum(w.calls.lists for w in works),
        ]
        counted = "".join(f"{number:6.1f}" for number in calls) + f"{sum(w.billed_ms for w in works):6.0f}"
        goals = [f"{kind} goal {goal:.2f}" for (kind, which), goal in GOALS.items() if which == name]
        lines.append(f"  {name:<38}{both[0]:9.2f}{both[1]:9.2f}{counted}  {', '.join(goals)}")
    lines += ["", "Where a million go (REST)"]
    for name, works in found.works.items():
        if not name.endswith(WINDOW):
            parts = sorted(month.cost(works, tariffs["rest"]).items(), key=lambda part: -part[1])
            lines.append(f"  {name}: " + ", ".join(f"{line} {amount * 1e6:.2f}" for line, amount in parts))
    lines += ["", f"{'New environments':<40}{'init ms':>9}{'first ms':>9}  dollars a million"]
    for function, start in found.starts.items():
        first = found.first[function]
        each = month.starting(found, function, tariffs["rest"]) * 1e6
        lines.append(
            f"  {function:<38}{start.billed_ms:9.0f}{first.billed_ms:9.0f}  {each:.2f} (GET {first.calls.gets})"
        )
    kept, start = month.snap_start(found)
    lines += [
        f"  KeepWarm=ENABLED, {len(found.warmed)} functions: {month.keep_warm(found, tariffs['rest']):.2f} a month",
        f"  SNAP_START=yes, the same functions: {kept:.2f} a month, and {start * 1e6:.2f} for a million starts",
    ]
    lines += [
        "",
        "A month, in dollars (all warm; what is added if no environment is ever warm; storage of the month's sessions)",
    ]
    for people in PEOPLE:
        for kind, tariff in tariffs.items():
            whole = month.of_people(found, people, tariff)
            goal = f"  goal {MONTH_GOAL[people]:.2f}" if people in MONTH_GOAL else ""
            lines.append(
                f"  {people:>5} people, {kind}: {month.dollars(whole.warm):8.2f}"
                f"   cold +{month.dollars(whole.cold):.2f}   storage {whole.storage:.2f}{goal}"
            )
    idle = month.idle(found, tariffs["rest"])
    lines += ["", f"An idle installation, a month: {month.dollars(idle):.2f}  goal {IDLE_GOAL:.2f}"]
    lines += [f"  {line}: {amount:.3f}" for line, amount in sorted(idle.items(), key=lambda part: -part[1])]
    for function, (work, times) in sorted(found.jobs.items()):
        each = month.dollars(bill.lines(work, tariffs["rest"]))
        lines.append(f"    {function}: {times:.0f} runs, {each * times:.4f} ({work.billed_ms:.0f} ms each)")
    whole = month.of_people(found, 200, tariffs["rest"])
    lines += ["", "Where the month of 200 people goes (REST, all warm)"]
    lines += [f"  {line}: {amount:.3f}" for line, amount in sorted(whole.warm.items(), key=lambda part: -part[1])]
    habits = ", ".join(f"{name} {times}" for name, times in month.HABITS.items())
    lines += ["", f"Assumed of each person a month: {month.SESSIONS_A_MONTH} sessions, {habits}"]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
