"""Claude over the Messages API. The package takes seconds to import, so it is imported by the first question."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agnes.kernel.llm import (
    ChatMessage,
    Completion,
    ModelNotConfigured,
    ModelOutputUnusable,
    ModelRefused,
    ModelUnavailable,
    Prompt,
    TokenCounts,
    Trouble,
)
from agnes.kernel.ports import Secret

if TYPE_CHECKING:
    import anthropic
    import httpx2
    from anthropic.types import AssistantMessageParam, UserMessageParam

ATTEMPTS = 3
_PAUSE_SECONDS = 0.3
PATIENT_SECONDS = 2.0
"""Before the second attempt of a patient question, twice as long before the third."""
OVERLOADED = 529


def _message(turn: ChatMessage) -> UserMessageParam | AssistantMessageParam:
    if turn.role == "user":
        return {"role": "user", "content": turn.text}
    return {"role": "assistant", "content": turn.text}


class Claude:
    """`key` is asked at each question, so that a key that was changed works at once. `only_public` is for a `base_url` that
    no operator chose: it is connected to at public addresses alone."""

    def __init__(
        self,
        key: Callable[[], Secret | None],
        *,
        base_url: str = "",
        only_public: bool = False,
        patient_seconds: float = PATIENT_SECONDS,
    ) -> None:
        self._key = key
        self._base_url = base_url
        self._only_public = only_public
        self._patient_seconds = patient_seconds

    def require(self) -> None:
        self._given_key()

    def answer(self, prompt: Prompt) -> dict[str, Any]:
        return self.complete(prompt).value

    def complete(self, prompt: Prompt) -> Completion:
        """Raises as the port says. Neither the key nor what the API said about it is repeated anywhere."""
        key = self._given_key()
        import anthropic

        client = anthropic.Anthropic(
            api_key=key.value,
            base_url=self._base_url or "https://api.anthropic.com",
            max_retries=0,
            http_client=self._safe_client() if self._only_public else None,
        )
        ends = time.monotonic() + prompt.seconds
        most, problem, spent = prompt.max_tokens, "", TokenCounts()
        failed: ModelUnavailable | None = None
        with client:
            for attempt in range(ATTEMPTS):
                left = ends - time.monotonic()
                if left <= 0:
                    break
                try:
                    message = self._send(
                        client, prompt, most, min(left, prompt.seconds / ATTEMPTS) if prompt.is_patient else left
                    )
                except ModelUnavailable as error:
                    failed = error
                    wait = self._wait(error, prompt, attempt)
                    if wait is None or wait >= ends - time.monotonic():
                        break
                    time.sleep(wait)
                    continue
                failed, spent = None, spent + _counts(message)
                if message.stop_reason == "refusal":
                    raise ModelRefused(spent)
                if message.stop_reason == "max_tokens":
                    problem, most = f"it was cut off at {most} tokens", most * 2
                    continue
                found = _object(message)
                problem = "it is no JSON object" if found is None else _unlike(found, prompt.schema)
                if found is not None and not problem:
                    return Completion(found, spent, str(message.model))
        if failed is not None:
            failed.tokens = spent
            raise failed
        if problem:
            raise ModelOutputUnusable(problem, spent)
        raise ModelUnavailable(f"no answer within {prompt.seconds:g} seconds", trouble=Trouble.SLOW, tokens=spent)

    def _safe_client(self) -> httpx2.Client:
        import anthropic

        from agnes.outside.safe_httpx import SafeTransport

        return anthropic.DefaultHttpxClient(transport=SafeTransport(), trust_env=False)

    def _send(
        self, client: anthropic.Anthropic, prompt: Prompt, tokens: int, seconds: float
    ) -> anthropic.types.Message:
        import anthropic

        try:
            message = client.messages.create(
                model=prompt.model,
                max_tokens=tokens,
                system=prompt.system,
                messages=[_message(turn) for turn in prompt.turns],
                output_config={"format": {"type": "json_schema", "schema": prompt.schema}},
                timeout=seconds,
            )
            if isinstance(message, anthropic.types.Message) and isinstance(message.content, list):
                return message
            raise _NotTheApi
        except (ValueError, RecursionError):
            raise _NotTheApi from None  # JSON that is none, or nests without end
        except anthropic.APITimeoutError as error:
            raise ModelUnavailable(f"no answer within {prompt.seconds:g} seconds", trouble=Trouble.SLOW) from error
        except anthropic.APIConnectionError:
            raise ModelUnavailable("its API cannot be reached") from None
        except anthropic.RateLimitError as error:
            raise ModelUnavailable(
                "its API limits how much we ask", hint=_later(error), trouble=Trouble.LIMITED
            ) from None
        except (anthropic.AuthenticationError, anthropic.PermissionDeniedError):
            raise ModelUnavailable(
                "its API does not take the key",
                hint="An operator renews it: docs/runbooks/anthropic-key.md.",
                trouble=Trouble.REFUSED,
            ) from None
        except anthropic.APIStatusError as error:
            if error.status_code >= 500:
                trouble = Trouble.OVERLOADED if error.status_code == OVERLOADED else Trouble.UNREACHABLE
                raise ModelUnavailable(f"its API answered {error.status_code}", trouble=trouble) from None
            raise ModelUnavailable(
                f"its API answered {error.status_code} to model {prompt.model!r}",
                hint="Check the setting of the model.",
                trouble=Trouble.REFUSED,
            ) from None
        except anthropic.AnthropicError as error:
            raise ModelUnavailable(f"{type(error).__name__} while asking") from None

    def _wait(self, error: ModelUnavailable, prompt: Prompt, attempt: int) -> float | None:
        """Seconds until the next attempt after a failed one; None if there is none. A limit is reported at once to who waits."""
        if isinstance(error, _NotTheApi) or error.trouble is Trouble.REFUSED:
            return None
        if prompt.is_patient:
            return self._patient_seconds * 2.0**attempt
        return _PAUSE_SECONDS * (attempt + 1) if error.trouble in (Trouble.UNREACHABLE, Trouble.OVERLOADED) else None

    def _given_key(self) -> Secret:
        key = self._key()
        if key is None or not key.value:
            raise ModelNotConfigured
        return key


class _NotTheApi(ModelUnavailable):
    def __init__(self) -> None:
        super().__init__("the server at this address is not the Messages API", hint="Check ANTHROPIC_BASE_URL.")


def _later(error: anthropic.RateLimitError) -> str:
    seconds = error.response.headers.get("retry-after", "")
    return f"Try again in {seconds} seconds." if seconds.isdigit() else "Try again in a minute."


def _counts(message: Any) -> TokenCounts:
    """Tokens of one response. The client's models are filled without validation."""
    usage = getattr(message, "usage", None)
    names = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    values = (getattr(usage, name, None) for name in names)
    return TokenCounts(*(value if isinstance(value, int) and value > 0 else 0 for value in values))


def _unlike(found: dict[str, Any], schema: dict[str, Any]) -> str:
    """What of the schema it has not; empty if nothing."""
    missing = [name for name in schema.get("required", ()) if name not in found]
    texts = [name for name, kind in schema.get("properties", {}).items() if kind.get("type") == "string"]
    wrong = [name for name in texts if name in found and not isinstance(found[name], str)]
    said = [f"{', '.join(names)} {what}" for names, what in ((missing, "missing"), (wrong, "no text")) if names]
    return "; ".join(said)


def _object(message: Any) -> dict[str, Any] | None:
    """The JSON object in the text blocks of a response; None without one. Blocks of another shape are passed over:
    the client's models are filled without validation."""
    texts = (getattr(block, "text", None) for block in message.content if getattr(block, "type", None) == "text")
    try:
        found = json.loads("".join(text for text in texts if isinstance(text, str)))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
