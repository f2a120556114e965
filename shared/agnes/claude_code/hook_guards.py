"""Hooks that the client cannot load, where they may guard what a plugin is allowed to do: then it loads nothing of the plugin.

Since 2.1.332: a hook before a tool, a permission or a skill's shell command (`events.GUARDS`) that is lost in silence would leave
what it guards open. So the client looks for such hooks, and for what looks like a matcher, wherever they do not belong. Read in the
client's code and tried with it (`tests/journeys/test_hook_forms.py`). 2.1.197 loads such a plugin without the hooks.
"""

from __future__ import annotations

from typing import Any

from agnes.claude_code.events import GUARDS, KNOWN

_DEPTH = 3
"""How many levels of lists and objects the client looks through."""
_NOT_LOOKED_INTO = frozenset({"metadata", "mcpServers", "lspServers"})
"""In front matter, at any level."""
_NAMES = ", ".join(sorted(GUARDS))
_OUTSIDE = f"it has hooks outside of `hooks`, which may be those that guard it ({_NAMES})"


def lost_in_file(config: Any) -> str | None:
    """Why a file of hooks (`hooks/hooks.json`, or one that a manifest names) costs its plugin, None if it does not."""
    if not isinstance(config, dict):
        return None
    return _OUTSIDE if is_matcher(config) else _lost(config)


def lost_in_front_matter(fields: dict[str, Any]) -> str | None:
    """As `lost_in_file` for the front matter of a skill, which is loaded then without its hooks and without what it allows itself."""
    return _lost(fields, skipped=_NOT_LOOKED_INTO)


def _lost(fields: dict[str, Any], *, skipped: frozenset[str] = frozenset()) -> str | None:
    outside = {key: value for key, value in fields.items() if key != "hooks" and key not in skipped}
    if _has_guard(fields) or any(
        holds_guard(value, matchers=key not in KNOWN, skipped=skipped) for key, value in outside.items()
    ):
        return _OUTSIDE
    table = fields.get("hooks")
    if table is not None and not isinstance(table, dict):
        return "hooks: must be an object with a list for each event"
    return lost_in_table(table)


def lost_in_table(table: Any) -> str | None:
    """As `lost_in_file` for an object of events. A guard's own matchers are judged by their form, elsewhere."""
    if is_matcher(table) or (isinstance(table, list) and any(map(is_matcher, table))):
        return "hooks: must be an object with a list for each event, and has a matcher in its place"
    for event, groups in table.items() if isinstance(table, dict) else ():
        if event not in KNOWN:
            if holds_guard(groups, matchers=not isinstance(groups, list)):
                return f"hooks.{event}: Claude Code has no such event, and it holds hooks that may guard the plugin ({_NAMES})"
        elif not isinstance(groups, list):
            if (event in GUARDS and groups is not None) or holds_guard(groups, matchers=False):
                return f"hooks.{event}: must be a list of matchers"
        elif any(holds_guard(group, matchers=False) for group in groups):
            return f"hooks.{event}: it holds hooks of other events, which may guard the plugin ({_NAMES})"
    return None


def has_guard(table: Any) -> bool:
    """Whether a table that is lost as a whole has, or seems to have, hooks that guard: then the plugin is lost with it."""
    if isinstance(table, list):
        return any(map(has_guard, table))
    return is_matcher(table) or _has_guard(table)


def is_matcher(value: Any) -> bool:
    """Whether it looks like a matcher with hooks (`{"matcher": …, "hooks": […]}`), or like a single hook in one."""
    if not isinstance(value, dict) or ("matcher" not in value and not KNOWN.isdisjoint(value)):
        return False
    hooks = value.get("hooks")
    if isinstance(hooks, list):
        return bool(hooks)
    return isinstance(hooks, dict) and ("matcher" in value or isinstance(hooks.get("type"), str))


def holds_guard(
    value: Any,
    depth: int = _DEPTH,
    *,
    matchers: bool = True,
    in_hooks: bool = False,
    skipped: frozenset[str] = frozenset(),
) -> bool:
    """Whether hooks that guard are in a value, or, with `matchers`, what looks like any matcher; to `depth` levels.

    In a list of hooks (`in_hooks`) the fields of a hook are not looked into, and `skipped` keys are nowhere.
    """
    if _has_guard(value) or (matchers and is_matcher(value)):
        return True
    if depth == 0:
        return False
    if isinstance(value, list):
        return any(
            holds_guard(inner, depth - 1, matchers=matchers, in_hooks=in_hooks, skipped=skipped) for inner in value
        )
    if not isinstance(value, dict) or (in_hooks and isinstance(value.get("type"), str)):
        return False
    return any(
        holds_guard(
            inner,
            depth - 1,
            matchers=matchers and key not in KNOWN,
            in_hooks=key == "hooks" and isinstance(inner, list),
            skipped=skipped,
        )
        for key, inner in value.items()
        if key not in skipped
    )


def _has_guard(value: Any) -> bool:
    return isinstance(value, dict) and any(value.get(event) not in (None, []) for event in GUARDS)
