"""Whether text of one colour can be read on another one."""

from __future__ import annotations

LIGHT_SURFACE, DARK_SURFACE = "#ffffff", "#161c2a"
"""Of cards, in the stylesheet of the pages."""
READABLE = 4.5
"""WCAG 2.2, success criterion 1.4.3."""


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours such as `#2456e6`: 1 to 21 (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
