"""One module a command, found by listing: `capture_session.py` holds `command` for `agnes capture-session`; a package
is a group.

Modules import click and our own small ones only; what is slow to import (httpx, zstandard) is imported where it is
used, since hooks wait for us.
"""
