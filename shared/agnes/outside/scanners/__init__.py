"""Adapters of `agnes.kernel.scanning`: RE2, detect-secrets, Bandit. Each library is imported when it is first used."""

from __future__ import annotations

from functools import cache

from agnes.kernel.scanning import Scanners
from agnes.outside.scanners.bandit import BanditScanner
from agnes.outside.scanners.detect_secrets import DetectSecrets
from agnes.outside.scanners.re2 import Re2Patterns


@cache
def scanners() -> Scanners:
    """One of each for the process: compiled patterns are kept by them."""
    return Scanners(Re2Patterns(), DetectSecrets(), BanditScanner())
