"""Figures of a span of days, as dashboards, summaries and queries show them."""
