#!/usr/bin/env python3
"""Forecast monthly amounts by cost centre: a straight line through the history, and the same month a year ago.

Reads CSV with the columns month (YYYY-MM), cost_centre, amount. Prints CSV.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections import defaultdict
from pathlib import Path


def straight_line(amounts: list[float], ahead: int) -> float:
    """The least-squares line through `amounts`, read `ahead` steps after the last."""
    count = len(amounts)
    mean_x, mean_y = (count - 1) / 2, sum(amounts) / count
    spread = sum((x - mean_x) ** 2 for x in range(count))
    slope = sum((x - mean_x) * (y - mean_y) for x, y in enumerate(amounts)) / spread if spread else 0.0
    return mean_y + slope * (count - 1 + ahead - mean_x)


def month_after(month: str, ahead: int) -> str:
    year, number = (int(part) for part in month.split("-"))
    years, index = divmod(year * 12 + number - 1 + ahead, 12)
    return f"{years}-{index + 1:02d}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ledger", type=Path)
    parser.add_argument("--months", type=int, default=3)
    wanted = parser.parse_args()

    history: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with wanted.ledger.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            history[row["cost_centre"]][row["month"]] += float(row["amount"])

    out = csv.writer(sys.stdout)
    out.writerow(["cost_centre", "month", "straight_line", "a_year_ago"])
    for centre, by_month in sorted(history.items()):
        months = sorted(by_month)
        amounts = [by_month[month] for month in months]
        for ahead in range(1, wanted.months + 1):
            month = month_after(months[-1], ahead)
            out.writerow(
                [centre, month, f"{straight_line(amounts, ahead):.2f}", by_month.get(month_after(month, -12), "")]
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
