"""Who may use a skill or a command: a person by typing its name, the model by calling it, both or neither.

Of front matter: `user-invocable` (people, since 2.1.0) and `disable-model-invocation` (the model); both versions that are tested
read a truth value alike (`tests/unit/marketplace/test_inventory.py`).
"""

from __future__ import annotations

from enum import StrEnum


class Callers(StrEnum):
    """Its value is how components are described, in stored rows, in the API and in the review."""

    ANYBODY = ""
    PEOPLE = "used by people alone"
    CLAUDE = "used by Claude alone"
    NOBODY = "used by nobody"

    @classmethod
    def of(cls, *, typed: bool, called: bool) -> Callers:
        return (cls.ANYBODY if called else cls.PEOPLE) if typed else (cls.CLAUDE if called else cls.NOBODY)

    @classmethod
    def read(cls, detail: str) -> Callers:
        """Of a component's stored description; what says something else says nothing of callers."""
        return next((one for one in cls if one == detail), cls.ANYBODY)

    @property
    def may_type(self) -> bool:
        """A person may type it."""
        return self in (Callers.ANYBODY, Callers.PEOPLE)

    @property
    def may_call(self) -> bool:
        """The model may use it by itself."""
        return self in (Callers.ANYBODY, Callers.CLAUDE)
