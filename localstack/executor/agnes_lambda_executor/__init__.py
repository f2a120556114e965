"""A Lambda executor for LocalStack that needs no Docker: see plugin.py, runtime.py and packages.py."""
