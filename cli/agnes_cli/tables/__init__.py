"""Copies of data tables in a workspace: pulled from the server, and queried with DuckDB."""
