"""Secrets in a backup: only where the operator gives a passphrase, and then encrypted with a key that is made of it.

A backup lies where more people can read than where the secrets are, and it is kept for longer. The passphrase is kept nowhere.
"""

from __future__ import annotations

import base64
import secrets as random
from hashlib import scrypt

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from agnes.kernel.errors import BadRequestError
from agnes.kernel.ports import Secret, Secrets
from agnes.ops.backup.model import BACKUPS, SECRETS_LEFT_OUT, BackupDamaged

LEAST_CHARACTERS = 16
_COST, _BLOCK, _PARALLEL = 2**15, 8, 1
_MEMORY = 128 * _COST * _BLOCK * 2


class _Sealed(msgspec.Struct, frozen=True):
    kdf: str
    salt: str
    nonce: str
    body: str


class PassphraseTooShort(BadRequestError):
    code = "passphrase_too_short"

    def __init__(self) -> None:
        super().__init__(
            f"AGNES_BACKUP_PASSPHRASE must have {LEAST_CHARACTERS} characters or more",
            hint="Make one: openssl rand -base64 24. Keep it where you keep other keys: without it the secrets cannot be read.",
        )


class PassphraseWrong(BadRequestError):
    code = "passphrase_wrong"

    def __init__(self) -> None:
        super().__init__(
            "AGNES_BACKUP_PASSPHRASE does not open the secrets of this backup",
            hint="Use the one that the backup was made with, or unset it: everything but the secrets is restored then.",
        )


class Passphrase:
    """What the operator gave, checked. Raises PassphraseTooShort."""

    def __init__(self, given: Secret) -> None:
        if len(given.value) < LEAST_CHARACTERS:
            raise PassphraseTooShort
        self._given = given

    def key(self, salt: bytes) -> bytes:
        return scrypt(self._given.value.encode(), salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL, maxmem=_MEMORY, dklen=32)


def key(backup_id: str) -> str:
    return f"{BACKUPS}{backup_id}/secrets.sealed"


def seal(secrets: Secrets, passphrase: Passphrase) -> bytes:
    """All secrets but those that a backup does without. Raises UnavailableError."""
    values = {name: found.value for name in wanted(secrets.names()) if (found := secrets.get(name)) is not None}
    salt, nonce = random.token_bytes(16), random.token_bytes(12)
    body = AESGCM(passphrase.key(salt)).encrypt(nonce, msgspec.json.encode(values), None)
    texts = (base64.b64encode(part).decode() for part in (salt, nonce, body))
    return msgspec.json.encode(_Sealed("scrypt-32768-8-1", *texts))


def opened(backup_id: str, body: bytes, passphrase: Passphrase) -> dict[str, Secret]:
    """Raises PassphraseWrong, BackupDamaged."""
    try:
        found = msgspec.json.decode(body, type=_Sealed)
        salt, nonce, sealed = (base64.b64decode(part) for part in (found.salt, found.nonce, found.body))
        plain = AESGCM(passphrase.key(salt)).decrypt(nonce, sealed, None)
        return {name: Secret(value) for name, value in msgspec.json.decode(plain, type=dict[str, str]).items()}
    except InvalidTag as error:
        raise PassphraseWrong from error
    except (ValueError, msgspec.MsgspecError) as error:
        raise BackupDamaged(key(backup_id), str(error)) from error


def wanted(names: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if name not in SECRETS_LEFT_OUT)
