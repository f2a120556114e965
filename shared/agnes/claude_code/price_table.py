"""List prices of Claude models, and the names that they have. Written by `make prices`; do not edit.

A price holds from its day on (UTC; None: from the beginning), for prompts of more tokens than `above`, in dollars a million tokens.
"""

SOURCE = "genai-prices 0.2.3"

# (model, speed, from, above, input, output, cache read, cache write of 5 minutes, cache write of 1 hour)
PRICES = (
    ("claude-2", "standard", None, 0, 8, 24, 0.8, 10, 16),
    ("claude-3-5-haiku", "standard", None, 0, 0.8, 4, 0.08, 1, 1.6),
    ("claude-3-5-sonnet", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-3-7-sonnet", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-3-haiku", "standard", None, 0, 0.25, 1.25, 0.03, 0.3, 0.5),
    ("claude-3-opus", "standard", None, 0, 15, 75, 1.5, 18.75, 30),
    ("claude-3-sonnet", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-fable-5", "standard", None, 0, 10, 50, 1, 12.5, 20),
    ("claude-fable-5-1", "standard", None, 0, 10, 50, 0.25, 12.5, 20),
    ("claude-fable-5-2", "standard", None, 0, 8, 40, 0.2, 10, 16),
    ("claude-fable-5-2", "fast", None, 0, 16, 80, 0.4, 20, 32),
    ("claude-haiku-4-5", "standard", None, 0, 1, 5, 0.1, 1.25, 2),
    ("claude-haiku-5-5", "standard", None, 0, 0.1, 0.5, 0.01, 0.125, 0.2),
    ("claude-haiku-5-5", "standard", None, 100000, 0.5, 2.5, 0.05, 0.625, 1),
    ("claude-mythos-5-2", "standard", None, 0, 8, 40, 0.2, 10, 16),
    ("claude-mythos-5-2", "fast", None, 0, 16, 80, 0.4, 20, 32),
    ("claude-opus-4-0", "standard", None, 0, 15, 75, 1.5, 18.75, 30),
    ("claude-opus-4-1", "standard", None, 0, 15, 75, 1.5, 18.75, 30),
    ("claude-opus-4-5", "standard", None, 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-4-6", "standard", None, 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-4-6", "standard", None, 200000, 10, 37.5, 1, 12.5, 20),
    ("claude-opus-4-6", "standard", "2026-03-13", 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-4-7", "standard", None, 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-4-8", "standard", None, 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-4-8", "fast", None, 0, 10, 50, 1, 12.5, 20),
    ("claude-opus-5", "standard", None, 0, 5, 25, 0.5, 6.25, 10),
    ("claude-opus-5", "fast", None, 0, 10, 50, 1, 12.5, 20),
    ("claude-opus-5-5", "standard", None, 0, 4, 20, 0.2, 5, 8),
    ("claude-opus-5-5", "fast", None, 0, 8, 40, 0.4, 10, 16),
    ("claude-sonnet-4-0", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-sonnet-4-5", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-sonnet-4-5", "standard", None, 200000, 6, 22.5, 0.6, 7.5, 12),
    ("claude-sonnet-4-6", "standard", None, 0, 3, 15, 0.3, 3.75, 6),
    ("claude-sonnet-4-6", "standard", None, 200000, 6, 22.5, 0.6, 7.5, 12),
    ("claude-sonnet-4-6", "standard", "2026-03-13", 0, 3, 15, 0.3, 3.75, 6),
    ("claude-sonnet-5", "standard", None, 0, 2, 10, 0.2, 2.5, 4),
    ("claude-sonnet-5-5", "standard", None, 0, 2, 10, 0.1, 2.5, 4),
)

# Other names of a model → its name in PRICES.
ALIASES = {
    "claude-4-5-haiku": "claude-haiku-4-5",
    "claude-4-5-opus": "claude-opus-4-5",
    "claude-4-6-opus": "claude-opus-4-6",
    "claude-4-7-opus": "claude-opus-4-7",
    "claude-4-8-opus": "claude-opus-4-8",
    "claude-4-opus": "claude-opus-4-0",
    "claude-4-sonnet": "claude-sonnet-4-0",
    "claude-5-0-opus": "claude-opus-5",
    "claude-5-0-sonnet": "claude-sonnet-5",
    "claude-5-5-haiku": "claude-haiku-5-5",
    "claude-5-5-opus": "claude-opus-5-5",
    "claude-5-5-sonnet": "claude-sonnet-5-5",
    "claude-5-opus": "claude-opus-5",
    "claude-5-sonnet": "claude-sonnet-5",
    "claude-opus-4": "claude-opus-4-0",
    "claude-opus-5-0": "claude-opus-5",
    "claude-sonnet-3-7": "claude-3-7-sonnet",
    "claude-sonnet-4": "claude-sonnet-4-0",
    "claude-sonnet-5-0": "claude-sonnet-5",
}
