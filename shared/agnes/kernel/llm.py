"""The port of language models: a question with a JSON schema in, an object of that schema out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, Protocol

from agnes.kernel.errors import AgnesError, BadRequestError, UnavailableError


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    model: str
    system: str
    turns: Sequence[ChatMessage]
    """The last one is the user's."""
    schema: dict[str, Any] = field(hash=False)
    """JSON schema of the answer, an object."""
    max_tokens: int = 1024
    """Doubled, at most twice, when an answer was cut off there."""
    seconds: float = 14.0
    """For all attempts together."""
    is_patient: bool = False
    """Nobody waits for the answer: limits of the API and slow answers are waited for, within `seconds`."""


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What an answer cost, over all attempts."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: TokenCounts) -> TokenCounts:
        return TokenCounts(
            self.input + other.input,
            self.output + other.output,
            self.cache_read + other.cache_read,
            self.cache_write + other.cache_write,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer with what it cost."""

    value: dict[str, Any] = field(hash=False)
    """An object with the schema's required properties."""
    tokens: TokenCounts
    model: str
    """As the API names the one that answered."""


class Trouble(StrEnum):
    """Why a model did not answer: what to do next depends on it."""

    LIMITED = "limited"
    """The API limits how much we ask: later."""
    OVERLOADED = "overloaded"
    """The API has too much to do for everybody: later."""
    SLOW = "slow"
    """No answer in time: later."""
    UNREACHABLE = "unreachable"
    """No connection, or an error of the API's own: later."""
    REFUSED = "refused"
    """The key or the model's name is not taken: an operator."""


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

    def __init__(
        self,
        reason: str,
        *,
        hint: str = "Try again in a moment.",
        trouble: Trouble = Trouble.UNREACHABLE,
        tokens: TokenCounts = TokenCounts(),
    ) -> None:
        super().__init__(f"the language model did not answer: {reason}", hint=hint)
        self.trouble = trouble
        self.tokens = tokens
        """Of attempts that were answered, and cost."""


class ModelRefused(BadRequestError):
    code = "model_refused"

    def __init__(self, tokens: TokenCounts = TokenCounts()) -> None:
        super().__init__("the language model refused to answer this", hint="Put the question differently.")
        self.tokens = tokens


class ModelOutputUnusable(AgnesError):
    """It answered, several times, and nothing of it was what the schema asks for."""

    status = 502
    code = "model_output_unusable"

    def __init__(self, reason: str, tokens: TokenCounts = TokenCounts()) -> None:
        super().__init__(f"the language model's answer is of no use: {reason}", hint="Put the question differently.")
        self.tokens = tokens


class LanguageModel(Protocol):
    def answer(self, prompt: Prompt) -> dict[str, Any]:
        """An object with the schema's required properties.

        Raises ModelNotConfigured, ModelUnavailable, ModelRefused, ModelOutputUnusable.
        """
        ...

    def complete(self, prompt: Prompt) -> Completion:
        """As `answer`, with what it cost. Errors have `tokens` as well."""
        ...

    def require(self) -> None:
        """Raises ModelNotConfigured, before work is done for a question that nobody can answer."""
        ...
