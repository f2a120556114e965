"""The gateway's certificate: a chain and a key in files, read again when they differ, so that a renewal needs no restart."""

from __future__ import annotations

import logging
import os
import ssl
from hashlib import sha256
from pathlib import Path
from typing import Any

from agnes.kernel.errors import AgnesError
from agnes.settings import Settings

log = logging.getLogger("agnes.tls")

_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
Signature = tuple[tuple[int, int, int], ...]


class CertificateUnusable(AgnesError):
    code = "certificate_unusable"

    def __init__(self, chain: Path, key: Path, reason: str) -> None:
        super().__init__(
            f"no TLS with {chain} and {key}: {reason}",
            hint="AGNES_TLS_FULLCHAIN_PATH is a PEM file with the server's certificate first and then those that signed it; "
            "AGNES_TLS_PRIVKEY_PATH is its key, without a passphrase.",
        )


class Certificate:
    """What the files hold, as a TLS context for new connections. One a process."""

    def __init__(self, chain: Path, key: Path) -> None:
        """Raises CertificateUnusable."""
        self._chain = chain
        self._key = key
        self._seen = self._signature()
        self._digest, self._context = self._load()

    def wrapped(self, connection: Any) -> ssl.SSLSocket:
        """An accepted connection, before its handshake. Raises OSError."""
        return self._context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def renew(self) -> bool:
        """Take what the files hold if they have changed; whether it is another certificate or key.

        What cannot be used is logged once and changes nothing: a renewal writes two files, one after the other.
        """
        seen = self._signature()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            digest, context = self._load()
        except CertificateUnusable as problem:
            log.warning("%s; the certificate of before is served on", problem.message)
            return False
        if digest == self._digest:
            return False
        self._digest, self._context = digest, context
        log.info("another certificate is served from now on: %s", self._chain)
        return True

    def _signature(self) -> Signature:
        found = []
        for path in (self._chain, self._key):
            try:
                stat = os.stat(path)  # noqa: PTH116 (once a second)
                found.append((stat.st_ino, stat.st_mtime_ns, stat.st_size))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)

    def _load(self) -> tuple[str, ssl.SSLContext]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        try:
            chain, key = self._chain.read_bytes(), self._key.read_bytes()
            if _PEM_CERTIFICATE not in chain:
                raise CertificateUnusable(self._chain, self._key, "the chain has no certificate in PEM")
            # A password, or OpenSSL would ask for one on the terminal.
            context.load_cert_chain(self._chain, self._key, password=lambda: "")
        except OSError as error:  # SSLError is one
            reason = error.strerror if error.errno and not isinstance(error, ssl.SSLError) else _reason(error)
            raise CertificateUnusable(self._chain, self._key, reason or str(error)) from error
        return sha256(chain + b"\0" + key).hexdigest(), context


def _reason(error: OSError) -> str:
    """OpenSSL's word for it, such as KEY_VALUES_MISMATCH, in words."""
    known = {
        "KEY_VALUES_MISMATCH": "the key is not that of the first certificate",
        "NO_START_LINE": "one of them is not PEM",
        "BAD_DECRYPT": "the key has a passphrase",
        "BAD_PASSWORD_READ": "the key has a passphrase",
    }
    word = str(getattr(error, "reason", None) or "")
    return known.get(word, word.replace("_", " ").lower() or str(error))


def certificate_of(settings: Settings) -> Certificate | None:
    """None where the gateway serves plain HTTP. Raises CertificateUnusable."""
    chain, key = settings.agnes_tls_fullchain_path, settings.agnes_tls_privkey_path
    return Certificate(chain, key) if chain is not None and key is not None else None
