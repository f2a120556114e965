"""How numbers, sizes and times are written on a screen."""

from __future__ import annotations

from datetime import UTC, date, datetime

from agnes.edge.showing import Exact, visible


def short_number(value: float) -> str:
    """999 → `999`, 1234 → `1.2k`, 999_950 → `1M`, 14_000_000 → `14M`."""
    for size, letter in ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k")):
        # Rounding may carry into the next unit: 999,950 is 1M and not 1000k.
        if round(value / (size / 1000), 1) >= 1000:
            return f"{value / size:.1f}".removesuffix(".0") + letter
    return str(int(value))


def full_number(value: float) -> str:
    return f"{value:,.0f}"


def usd(value: float) -> str:
    """1234.5 → `$1,235`, 12.34 → `$12.34`, 0.0042 → `< $0.01`."""
    if 0 < value < 0.01:
        return "< $0.01"
    return f"${value:,.0f}" if value >= 1000 else f"${value:,.2f}"


def size(size_bytes: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size_bytes < 1000 or unit == "GB":
            return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    raise AssertionError


def day(value: datetime | date | None) -> str:
    return value.strftime("%Y-%m-%d") if value else ""


def days_ago(value: date | datetime | None, today: date) -> str:
    """today, yesterday, N days (< 30), N months (÷ 30), N years (÷ 365)."""
    if value is None:
        return "never"
    if isinstance(value, datetime):
        value = value.date()
    days = (today - value).days
    if days <= 0:
        return "today"
    if days == 1:
        return "yesterday"
    for unit, length in (("year", 365), ("month", 30)):
        if days >= length:
            count = days // length
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return f"{days} days ago"


def minute(value: datetime | None) -> str:
    """`2026-11-20 09:05`, UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if value else ""


def lasting(seconds: float | None) -> str:
    """0 → `0 s`, 75 → `1 min`, 4000 → `1 h 07 min`."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(int(seconds // 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def sentence(text: str) -> str:
    """A message as a sentence on a page: a capital first, a full stop last, the rest as it is.

    A key, an address or a name in small letters (`state/people/head.json`) keeps its case: it is what people search for.
    """
    first = text.partition(" ")[0]
    begun = text if any(mark in first.rstrip(".,:;") for mark in "/_.@") else text[:1].upper() + text[1:]
    return begun + ("" if text.endswith((".", "!", "?")) else ".")


FILTERS = {
    "lasting": lasting,
    "minute": minute,
    "sentence": sentence,
    "short_number": short_number,
    "full_number": full_number,
    "usd": usd,
    "size": size,
    "day": day,
    "days_ago": days_ago,
    "exact": Exact,
    "visible": visible,
}
