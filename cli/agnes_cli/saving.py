"""Files that the server gives, on this computer: whole or not at all, and never over another one unasked."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from agnes_cli.failures import BadInput

STANDARD_OUTPUT = Path("-")


class FileThere(BadInput):
    def __init__(self, out: Path) -> None:
        super().__init__(f"{out} is there already", hint="Give another name with --out, or --force to replace it.")


def require_place(out: Path, *, replace: bool) -> None:
    """Before anything is asked of the server. Raises BadInput."""
    if not out.absolute().parent.is_dir():
        raise BadInput(f"there is no folder {out.absolute().parent}")
    if out.is_dir():
        raise BadInput(f"{out} is a folder", hint="Name a file in it.")
    if not replace and os.path.lexists(out):
        raise FileThere(out)


def save(pieces: Iterable[bytes], out: Path, *, replace: bool) -> int:
    """How many bytes `out` has now; only its owner may read it. Raises FileThere."""
    with tempfile.NamedTemporaryFile(dir=out.absolute().parent, prefix=f".{out.name}.", delete=False) as file:
        made = Path(file.name)
        try:
            file.writelines(pieces)
            size = file.tell()
            file.flush()
            if replace:
                made.replace(out)
            else:
                _link(made, out)
        finally:
            made.unlink(missing_ok=True)
    return size


def to_standard_output(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def _link(made: Path, out: Path) -> None:
    """As a rename, which fails where something is, also since we looked."""
    try:
        os.link(made, out)
    except FileExistsError:
        raise FileThere(out) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(out):
            raise FileThere(out) from None
        made.replace(out)
