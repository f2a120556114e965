"""Data tables: registered by admins, collected by schedules, queried by analysts and their agents as far as they were granted.

`service` keeps the registry, `rules` say what may be registered, `schedules` when a table is due. What is where in storage is in
docs/tables.md.
"""
