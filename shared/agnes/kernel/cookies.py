"""The Set-Cookie value of every cookie here: for this site alone, and out of reach of scripts."""

from __future__ import annotations


def set_cookie(name: str, value: str, *, path: str, seconds: int, secure: bool) -> str:
    """`path` may be empty, which is the whole site; 0 seconds forget the cookie."""
    flags = "; Secure" if secure else ""
    return f"{name}={value}; Path={path or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Lax{flags}"
