"""Telemetry: transcripts in, events and figures out (docs/architecture.md, Telemetry)."""
