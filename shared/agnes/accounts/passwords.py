"""Passwords: Argon2id with the parameters of OWASP's password storage cheat sheet (19 MiB, 2 passes, 1 lane).

Imported by the functions that sign people in, not by those that only ask who is there.
"""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from agnes.kernel.ports import Secret

HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)

# The hash of a random password that nobody kept: what is verified for an account that has none, or
# does not exist, so that both take the time of a wrong password. A test compares its parameters.
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$QxuaZDDW6u2YNV/1a0XPmA$7O+aX7iWf/AnvHLeHMCwMPhGtLFuHkK4oXwvuuqx98A"


def hash_password(password: Secret) -> str:
    return HASHER.hash(password.value)


def matches(password_hash: str | None, password: Secret) -> bool:
    """Whether the password is right; takes as long where there is no hash, or a damaged one."""
    try:
        return HASHER.verify(password_hash or NOBODY, password.value) and password_hash is not None
    except VerificationError:
        return False
    except InvalidHashError:
        return matches(None, password)
