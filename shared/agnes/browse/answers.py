"""The details' JSON, with the field names of the API."""

from __future__ import annotations

from typing import Any

from agnes.browse.detail import Day, InnerDetail, InnerLine, PluginDetail
from agnes.browse.markdown import rendered
from agnes.browse.model import FIGURES, Document, Figures, Item, Words
from agnes.claude_code.components import BY_KIND


def plugin_answer(plugin: PluginDetail, base: str) -> dict[str, Any]:
    entry, item, words = plugin.entry, plugin.item, plugin.entry.words
    is_flea = entry.source == "flea"
    return {
        "source": entry.source,
        "type": entry.type,
        "marketplace_id": "" if is_flea else entry.marketplace_id,
        "marketplace_name": entry.marketplace_name,
        "entity_id": entry.marketplace_id if is_flea else None,
        "plugin_name": entry.title if is_flea else entry.name,
        "manifest_name": entry.prefix or entry.name,
        "description": entry.description,
        "version": entry.version,
        "version_reason": item.version_reason,
        "rollout": plugin.rollout,
        "category": entry.category,
        "author_name": entry.owner or entry.author_name,
        "curator_email": entry.curator_email,
        "owner_display": (entry.author_name or entry.owner) if is_flea else None,
        "homepage": entry.homepage,
        "cover_photo_url": words.cover_url,
        "video_url": words.video_url,
        "bundle_size": entry.size_bytes,
        "install_count": item.stack_count if is_flea else None,
        "stack_count": item.stack_count,
        "released_at": entry.released,
        "updated_at": entry.updated,
        "installed": item.installed,
        "hidden_reason": item.hidden_reason,
        "skills": [_called(line) for line in plugin.of_kind("skill")],
        "agents": [_called(line) for line in plugin.of_kind("agent")],
        "commands": [
            {
                "name": line.invocation,
                "description": line.inner.description,
                "callers": line.callers or None,
            }
            for line in plugin.of_kind("command")
        ],
        "hooks": [
            {"name": line.inner.name, "event": line.inner.detail or None, "description": line.inner.description}
            for line in plugin.of_kind("hook")
        ],
        "mcps": [
            {"name": line.inner.name, "type": line.inner.detail or None, "description": line.inner.description}
            for line in plugin.of_kind("mcp")
        ],
        "components": [_component(line) for line in plugin.lines] if entry.type == "plugin" else [],
        "files": plugin.files,
        "docs": _documents(plugin.docs, base),
        "visibility_status": entry.status,
        "submission_status": None,
        "is_system": entry.is_system,
        "required": item.required,
        "display_name": entry.display_name,
        "tagline": words.tagline,
        **_written(words),
        **_declared(plugin),
        "problem": entry.problem,
        "notice": plugin.notice or None,
        "capabilities": plugin.capabilities,
        "changes": plugin.changes,
        "used_together_with": [{**_named(other.item), "sessions_30d": other.sessions_30d} for other in plugin.together],
        "often_in_the_same_stack": [_named(other) for other in plugin.same_stacks],
        "more_by_owner": [_named(other) for other in plugin.more],
        "is_own": plugin.is_own,
        # A plugin that nobody called has no telemetry, rather than zeros.
        "telemetry": _telemetry(plugin.figures, plugin.daily_series) if item.invocations_30d else None,
    }


def inner_answer(detail: InnerDetail, base: str) -> dict[str, Any]:
    parent, line = detail.parent, detail.line
    return {
        "marketplace_id": "" if parent.source == "flea" else parent.marketplace_id,
        "plugin_name": parent.name,
        "kind": line.inner.kind,
        "name": line.inner.name,
        "description": line.inner.description,
        "body": detail.body,
        "relpath": line.inner.relpath,
        "marketplace_name": parent.marketplace_name,
        "category": detail.category,
        "parent_author_name": parent.owner or parent.author_name,
        "parent_updated_at": parent.updated,
        "manifest_name": parent.prefix or parent.name,
        "parent_display_name": parent.title,
        "parent_url": parent.detail_url,
        "bundle_size": detail.bundle_size,
        "files": detail.files,
        "notice": detail.notice or None,
        "parent_stack_count": line.usage.stack_count,
        "installed": detail.parent_item.installed,
        "telemetry": _telemetry(line.figures, detail.daily_series),
        "cover_photo_url": line.words.cover_url,
        "video_url": line.words.video_url,
        "docs": _documents(line.words.documents, base),
        "display_name": line.words.display_name,
        "tagline": line.words.tagline,
        **_written(line.words),
        "when_to_use_html": rendered(line.words.when_to_use),
        "invocation": line.invocation,
    }


def _named(item: Item) -> dict[str, str]:
    return {"id": item.id, "name": item.name, "display_name": item.display_name, "detail_url": item.detail_url}


def _documents(documents: tuple[Document, ...], base: str) -> list[dict[str, str]]:
    return [{"name": found.name, "url": base + found.url if found.is_ours else found.url} for found in documents]


def _declared(plugin: PluginDetail) -> dict[str, Any]:
    """What it says of itself: what it needs and asks for, and when the client suggests it."""
    said = plugin.entry.declared
    return {
        "dependencies": plugin.item.dependencies,
        "added_with_it": [_named(other) for other in plugin.adds],
        "cannot_add": plugin.cannot_add,
        "needed_by": plugin.needed_by,
        "optional_dependencies": [optional.text for optional in said.optional],
        "required_by": plugin.item.required_by,
        "added_as_dependency": plugin.item.added_as_dependency,
        "default_enabled": said.default_enabled,
        "user_config": said.user_config,
        "relevance": said.relevance,
    }


def _written(words: Words) -> dict[str, Any]:
    sample = {
        "user": words.sample_user,
        "assistant": words.sample_assistant,
        "assistant_html": rendered(words.sample_assistant),
    }
    return {
        "description_long_html": rendered(words.description),
        "use_cases": words.use_cases,
        "sample_interaction": sample if words.sample_user else None,
    }


def _component(line: InnerLine) -> dict[str, Any]:
    """One of any kind, under the name that Claude Code writes; `danger` and `since` are its kind's."""
    inner, row = line.inner, BY_KIND.get(line.inner.kind)
    return {
        "kind": inner.kind,
        "name": inner.name,
        "declared_name": inner.declared_name or None,
        "path": inner.relpath,
        "description": inner.description,
        "detail": inner.detail or None,
        "danger": row.danger if row else None,
        "since": row.since if row else None,
    }


def _called(line: InnerLine) -> dict[str, Any]:
    return {
        "name": line.inner.name,
        "description": line.inner.description,
        "display_name": line.words.display_name,
        "tagline": line.words.tagline,
        "detail_url": line.detail_url,
        "cover_photo_url": line.words.cover_url,
        "invocation": line.invocation,
        "callers": line.callers or None,
        "invocations_30d": line.usage.invocations_30d,
        "distinct_users_30d": line.usage.distinct_users_30d,
        "trend_pct": line.usage.trend_pct,
        "tokens_30d": line.figures.tokens,
        "cost_usd_30d": line.figures.cost_usd,
        "unpriced_tokens_30d": line.figures.unpriced_tokens,
        "parent_stack_count": line.usage.stack_count,
    }


def _telemetry(figures: Figures, series: tuple[Day, ...]) -> dict[str, Any]:
    return {
        "invocations_30d": figures.usage.invocations_30d,
        "distinct_users_30d": figures.usage.distinct_users_30d,
        "trend_pct": figures.usage.trend_pct,
        "tokens_30d": figures.tokens,
        "tokens_by_kind_30d": {
            "input": figures.input_tokens,
            "output": figures.output_tokens,
            "cache_read": figures.cache_read_tokens,
            "cache_creation": figures.cache_creation_tokens,
            "cache_creation_1h": figures.cache_creation_1h_tokens,
        },
        "cost_usd_30d": figures.cost_usd,
        "unpriced_tokens_30d": figures.unpriced_tokens,
        "own_tokens_30d": figures.own_tokens,
        "own_cost_usd_30d": figures.own_cost_usd,
        "own_unpriced_tokens_30d": figures.own_unpriced_tokens,
        "carried_tokens_30d": figures.carried_tokens,
        "carried_cost_usd_30d": figures.carried_cost_usd,
        "carried_unpriced_tokens_30d": figures.carried_unpriced_tokens,
        "daily_series": series,
        "figures": FIGURES,
    }
