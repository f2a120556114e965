"""The port of language models: a question with a JSON schema in, an object of that schema out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from agnes.kernel.errors import AgnesError, BadRequestError, UnavailableError


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    model: str
    system: str
    turns: Sequence[Said]
    """The last one is the user's."""
    schema: dict[str, Any] = field(hash=False)
    """JSON schema of the answer, an object."""
    max_tokens: int = 1024
    """Doubled, at most twice, when an answer was cut off there."""
    seconds: float = 14.0
    """For all attempts together."""


class ModelNotConfigured(UnavailableError):
    code = "model_not_configured"

    def __init__(self) -> None:
        super().__init__(
            "there is no API key for the language model",
            hint="An operator gives it as ANTHROPIC_API_KEY: docs/runbooks/anthropic-key.md.",
        )


class ModelUnavailable(UnavailableError):
    """Its API refused the key, limits us, or did not answer; `reason` says which."""

    code = "model_unavailable"

    def __init__(self, reason: str, *, hint: str = "Try again in a moment.") -> None:
        super().__init__(f"the language model did not answer: {reason}", hint=hint)


class ModelRefused(BadRequestError):
    code = "model_refused"

    def __init__(self) -> None:
        super().__init__("the language model refused to answer this", hint="Put the question differently.")


class ModelOutputUnusable(AgnesError):
    """It answered, several times, and nothing of it was what the schema asks for."""

    status = 502
    code = "model_output_unusable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the language model's answer is of no use: {reason}", hint="Put the question differently.")


class LanguageModel(Protocol):
    def answer(self, prompt: Prompt) -> dict[str, Any]:
        """An object with the schema's required properties.

        Raises ModelNotConfigured, ModelUnavailable, ModelRefused, ModelOutputUnusable.
        """
        ...

    def require(self) -> None:
        """Raises ModelNotConfigured, before work is done for a question that nobody can answer."""
        ...
