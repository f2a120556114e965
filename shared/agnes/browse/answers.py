"""The detail's JSON, with the field names of the API (spec/02 §5)."""

from __future__ import annotations

from typing import Any

from agnes.browse.model import InnerItem, PluginDetail


def plugin_answer(plugin: PluginDetail) -> dict[str, Any]:
    item = plugin.item
    used = item.invocations_30d > 0
    return {
        "source": item.source,
        "marketplace_id": item.marketplace_slug,
        "marketplace_name": plugin.marketplace_name,
        "plugin_name": item.name,
        "manifest_name": item.name,
        "description": item.description,
        "version": item.version,
        "category": item.category,
        "author_name": item.owner or plugin.author_name,
        "curator_email": plugin.curator_email,
        "homepage": plugin.homepage,
        "cover_photo_url": item.photo_url,
        "bundle_size": plugin.bundle_size,
        "stack_count": item.stack_count,
        "released_at": plugin.released_at,
        "updated_at": plugin.updated_at,
        "installed": item.installed,
        "is_system": item.is_system,
        "display_name": item.display_name,
        "tagline": item.tagline,
        "problem": plugin.problem,
        "skills": [_called(inner) for inner in plugin.of_kind("skill")],
        "agents": [_called(inner) for inner in plugin.of_kind("agent")],
        "commands": [
            {"name": inner.invocation, "description": inner.description} for inner in plugin.of_kind("command")
        ],
        "hooks": [_plain(inner) for inner in plugin.of_kind("hook")],
        "mcps": [_plain(inner) for inner in plugin.of_kind("mcp")],
        "files": plugin.files,
        "telemetry": {
            "invocations_30d": item.invocations_30d,
            "distinct_users_30d": item.distinct_users_30d,
            "trend_pct": item.trend_pct,
            "tokens_30d": item.tokens_30d,
            "daily_series": plugin.daily_series,
        }
        if used
        else None,
    }


def _called(inner: InnerItem) -> dict[str, Any]:
    return {
        "name": inner.name,
        "description": inner.description,
        "invocation": inner.invocation,
        "invocations_30d": inner.usage.invocations_30d,
        "distinct_users_30d": inner.usage.distinct_users_30d,
        "trend_pct": inner.usage.trend_pct,
        "parent_stack_count": inner.usage.stack_count,
    }


def _plain(inner: InnerItem) -> dict[str, Any]:
    return {"name": inner.name, "description": inner.description}
