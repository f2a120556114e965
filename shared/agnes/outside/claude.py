"""Claude over the Messages API. The package takes seconds to import, so it is imported by the first question."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agnes.kernel.llm import ModelNotConfigured, ModelOutputUnusable, ModelRefused, ModelUnavailable, Prompt
from agnes.kernel.ports import Secret

if TYPE_CHECKING:
    import anthropic

ATTEMPTS = 3
_PAUSE_SECONDS = 0.3


class Claude:
    """`key` is asked at each question, so that a key that was changed works at once."""

    def __init__(self, key: Callable[[], Secret | None], *, base_url: str = "") -> None:
        self._key = key
        self._base_url = base_url

    def require(self) -> None:
        self._given_key()

    def answer(self, prompt: Prompt) -> dict[str, Any]:
        """Raises as the port says. Neither the key nor what the API said about it is repeated anywhere."""
        key = self._given_key()
        import anthropic

        client = anthropic.Anthropic(
            api_key=key.value,
            base_url=self._base_url or "https://api.anthropic.com",
            max_retries=0,
        )
        ends = time.monotonic() + prompt.seconds
        tokens, problem = prompt.max_tokens, ""
        with client:
            for attempt in range(ATTEMPTS):
                left = ends - time.monotonic()
                if left <= 0:
                    break
                try:
                    message = self._send(client, prompt, tokens, left)
                except _Passing as failed:
                    problem = failed.reason
                    time.sleep(min(_PAUSE_SECONDS * (attempt + 1), max(0.0, ends - time.monotonic())))
                    continue
                if message.stop_reason == "refusal":
                    raise ModelRefused
                if message.stop_reason == "max_tokens":
                    problem, tokens = f"it was cut off at {tokens} tokens", tokens * 2
                    continue
                found = _object(message)
                problem = "it is no JSON object" if found is None else _unlike(found, prompt.schema)
                if found is not None and not problem:
                    return found
        if problem.startswith("its API"):
            raise ModelUnavailable(problem)
        if problem:
            raise ModelOutputUnusable(problem)
        raise ModelUnavailable(f"no answer within {prompt.seconds:g} seconds")

    def _send(self, client: anthropic.Anthropic, prompt: Prompt, tokens: int, seconds: float) -> Any:
        import anthropic

        try:
            message = client.messages.create(
                model=prompt.model,
                max_tokens=tokens,
                system=prompt.system,
                messages=[{"role": turn.role, "content": turn.text} for turn in prompt.turns],
                output_config={"format": {"type": "json_schema", "schema": prompt.schema}},
                timeout=seconds,
            )
            if isinstance(message, anthropic.types.Message) and isinstance(message.content, list):
                return message
            raise _NotTheApi
        except (ValueError, RecursionError):
            raise _NotTheApi from None  # JSON that is none, or nests without end
        except anthropic.APITimeoutError as error:
            raise ModelUnavailable(f"no answer within {prompt.seconds:g} seconds") from error
        except anthropic.APIConnectionError:
            raise _Passing("its API cannot be reached") from None
        except anthropic.RateLimitError:
            raise ModelUnavailable("its API limits how much we ask", hint="Try again in a minute.") from None
        except (anthropic.AuthenticationError, anthropic.PermissionDeniedError):
            raise ModelUnavailable(
                "its API does not take the key", hint="An operator renews it: docs/runbooks/anthropic-key.md."
            ) from None
        except anthropic.APIStatusError as error:
            if error.status_code >= 500:
                raise _Passing(f"its API answered {error.status_code}") from None
            raise ModelUnavailable(
                f"its API answered {error.status_code} to model {prompt.model!r}",
                hint="Check the setting of the model.",
            ) from None
        except anthropic.AnthropicError as error:
            raise ModelUnavailable(f"{type(error).__name__} while asking") from None

    def _given_key(self) -> Secret:
        key = self._key()
        if key is None or not key.value:
            raise ModelNotConfigured
        return key


class _NotTheApi(ModelUnavailable):
    def __init__(self) -> None:
        super().__init__("the server at this address is not the Messages API", hint="Check ANTHROPIC_BASE_URL.")


class _Passing(Exception):
    """Worth another attempt."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
