"""Facts about the Claude Code client, one table per kind: versions, components, hook events, record types, sources.

Each row says since which version it holds. Behaviour lives in the domains that use the tables; what was tried, and how, is
in docs/claude-code-client.md.
"""
