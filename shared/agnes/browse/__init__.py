"""Browsing: what the marketplace pages and their API show. Reads every other domain, changes none."""
