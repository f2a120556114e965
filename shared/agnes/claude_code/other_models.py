"""List prices of models that are not Claude's, under the names that gateways write into transcripts.

The table, `other_models.txt`, comes from the library genai-prices (`make prices`); it is read when a name asks for it first. One line a
price: provider, name, 1 if the provider is the model's own, first day, `above` (prompt tokens), and dollars a million tokens of input,
output, cache read, cache write. A name is one of these, as documented by the gateways:

    gpt-5                               the model's own name: its maker's price
    vendor/model, vendor/model:nitro    OpenRouter (openrouter.ai/docs, Model variants); `:free` costs nothing
    provider/model, provider/.../model  LiteLLM (docs.litellm.ai, Providers), also behind another gateway's name
    provider,model                      claude-code-router (github.com/musistudio/claude-code-router)
    provider:model, provider::model     others
    us.amazon.nova-pro-v1:0, an ARN     Bedrock

Where a model costs more at some hours of the day, the higher price counts, since days have no hours here. A name is matched whole, without a date, a preview's number or `latest`, and never by its beginning: what is new is unpriced.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

TABLE = Path(__file__).with_name("other_models.txt")
REMEMBERED = 2000
"""Names come from transcripts: whoever writes those may invent any number of them."""
LONGEST_NAME = 300

PROVIDERS = {
    **dict.fromkeys(("azure", "azure_ai", "azure_text"), "azure"),
    **dict.fromkeys(("bedrock", "bedrock_converse", "converse", "invoke", "aws", "amazon"), "aws"),
    **dict.fromkeys(("gemini", "vertex", "vertex_ai", "google", "google-vertex", "google-ai-studio"), "google"),
    **dict.fromkeys(("xai", "x-ai"), "x-ai"),
    **dict.fromkeys(("mistral", "codestral", "mistralai"), "mistral"),
    **dict.fromkeys(("together", "together_ai"), "together"),
    **dict.fromkeys(("fireworks", "fireworks_ai"), "fireworks"),
    **dict.fromkeys(("cohere", "cohere_chat"), "cohere"),
    **dict.fromkeys(("moonshot", "moonshotai", "kimi"), "moonshotai"),
    **dict.fromkeys(("zai", "z-ai", "z.ai"), "zai"),
    **dict.fromkeys(("zhipu", "zhipuai"), "zhipuai"),
    **dict.fromkeys(("github_copilot", "github-copilot", "copilot"), "github-copilot"),
    **dict.fromkeys(("cloudflare", "workers-ai"), "cloudflare"),
    "text-completion-openai": "openai",
}
"""First part of a gateway's name → provider of the table, where the table calls it otherwise."""
LOCAL = frozenset(
    ("ollama", "ollama_chat", "lmstudio", "lm_studio", "vllm", "hosted_vllm", "llamafile", "llama_cpp", "xinference")
)
"""First parts of models on one's own machines, which have no price that a list could know."""
ROUTER = "openrouter"
HUGGING_FACE = "huggingface"

_BRACKETS = re.compile(r"\[[^\]]*\]$")
_SEPARATOR = re.compile(r"[/,]|::|(?<=^vertex):|(?<=^openrouter):")
_DOTTED = re.compile(r"(?<=\d)\.(?=\d)")
_VARIANT = re.compile(r":(?:nitro|floor|online|exacto|thinking|extended|beta)$")
_FREE = ":free"
_REGION = re.compile(r"^(?:us|us-gov|eu|apac|au|ca|jp|global)\.")
_ENDINGS = (
    re.compile(r"[-@](?:20\d{6}|20\d\d-\d\d-\d\d|\d\d-\d\d-20\d\d)$"),
    re.compile(r"-preview(?:-\d\d-\d\d(?:-20\d\d)?|-\d\d-20\d\d)?$"),
    re.compile(r"-(?:exp(?:-\d\d-\d\d)?|latest|\d{3})$"),
    re.compile(r"-v\d+(?::\d+)?(?::\d+k)?$"),
    re.compile(r"@(?:latest|default)$"),
)


class Price(NamedTuple):
    """Dollars a million tokens from a day on, for prompts of more tokens than `above`."""

    since: date
    above: int
    input: float
    output: float
    cache_read: float
    cache_write: float


FREE = (Price(date.min, 0, 0, 0, 0, 0),)


class _Table(NamedTuple):
    of: dict[tuple[str, str], tuple[Price, ...]]
    """(provider, name) → its prices, the one that counts last among those that fit."""
    providers: dict[str, tuple[str, ...]]
    """Name → providers that have it, its own first."""
    routed: dict[str, str]
    """Name without its vendor → OpenRouter's name, where one vendor alone has it."""


def normal(name: str) -> str:
    """A name as the table has it: versions are written with dots by some and with hyphens by others."""
    return _DOTTED.sub("-", name.strip().lower())


@lru_cache(REMEMBERED)
def prices(model: str) -> tuple[Price, ...]:
    """The prices of a model by days and lengths of prompts; none if the list does not know it."""
    if len(model) > LONGEST_NAME:
        return ()
    name = _BRACKETS.sub("", model.strip().lower())
    for provider, rest in _readings(name):
        if provider in LOCAL:
            return ()
        found = _find(provider, rest)
        if found:
            return found
    return ()


def prompt_tiers(model: str) -> tuple[int, ...]:
    """Lengths of a prompt above which the model has another price, ascending."""
    return tuple(sorted({price.above for price in prices(model)} - {0}))


def _readings(name: str) -> Iterator[tuple[str, str]]:
    """(provider, or nothing where none is said; name), the likeliest first."""
    parts = _SEPARATOR.split(name)
    begins = [0, *(found.end() for found in _SEPARATOR.finditer(name))]
    if any(part in LOCAL for part in parts[:-1]):
        yield parts[0] if parts[0] in LOCAL else next(part for part in parts if part in LOCAL), ""
        return
    for at in range(1, len(parts)):
        said, rest = parts[at - 1], name[begins[at] :]
        if said.startswith(HUGGING_FACE) or (at > 1 and parts[at - 2] == HUGGING_FACE):
            yield f"{HUGGING_FACE}_{said}", rest
        yield PROVIDERS.get(said, said), rest
    # `vendor/model` as OpenRouter writes it, behind whatever else.
    for at in range(len(parts)):
        rest = name[begins[at] :]
        if "/" in rest:
            yield ROUTER, rest
    yield "", name[begins[-1] :]


def _find(provider: str, name: str) -> tuple[Price, ...]:
    if not name:
        return ()
    table = _table()
    for written in _forms(name):
        if provider:
            found = table.of.get((provider, written))
            if found:
                return found
            continue
        known = table.providers.get(written, ())
        priced = {table.of[one, written] for one in known}
        if known and (len(priced) == 1 or (known[0], written) in _own()):
            return table.of[known[0], written]
        if ROUTER in known:
            return table.of[ROUTER, written]
        if written in table.routed:
            return table.of[ROUTER, table.routed[written]]
    if name.endswith(_FREE) and (provider in ("", ROUTER)) and _find(provider, name.removesuffix(_FREE)):
        return FREE
    return ()


def _forms(name: str) -> Iterator[str]:
    """A name as it is, then with less and less of what is no part of it."""
    usual = normal(name)
    regional = _REGION.sub("", usual)
    starts = dict.fromkeys((usual, regional, f"regional.{regional}" if regional != usual else usual))
    seen: dict[str, None] = dict.fromkeys(starts)
    for start, ending in product(starts, (_VARIANT, *_ENDINGS)):
        seen.setdefault(ending.sub("", start))
    for start in tuple(seen):
        shorter = _VARIANT.sub("", start)
        for ending in _ENDINGS:
            shorter = ending.sub("", shorter)
            seen.setdefault(shorter)
    yield from seen


@cache
def _own() -> frozenset[tuple[str, str]]:
    """(provider, name) where the provider is the model's own."""
    return frozenset((provider, name) for provider, name, is_own, *_ in _lines() if is_own == "1")


@cache
def _table() -> _Table:
    found: dict[tuple[str, str], list[Price]] = defaultdict(list)
    for provider, name, _, since, above, *amounts in _lines():
        day = date.min if since == "-" else date.fromisoformat(since)
        found[provider, name].append(Price(day, int(above), *map(float, amounts)))
    providers: dict[str, list[str]] = defaultdict(list)
    own = _own()
    for provider, name in sorted(found, key=lambda key: (key not in own, key)):
        providers[name].append(provider)
    routed: dict[str, list[str]] = defaultdict(list)
    for provider, name in found:
        if provider == ROUTER and "/" in name and not name.startswith("~"):
            routed[name.rpartition("/")[2]].append(name)
    return _Table(
        {key: tuple(sorted(rows)) for key, rows in found.items()},
        {name: tuple(of) for name, of in providers.items()},
        {name: of[0] for name, of in routed.items() if len(of) == 1},
    )


def _lines() -> list[list[str]]:
    return [line.split(" ") for line in TABLE.read_text().splitlines() if not line.startswith("#")]
