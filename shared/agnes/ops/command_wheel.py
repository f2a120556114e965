"""The wheel of the `agnes` command, made of the source that this installation carries, so that an analyst needs no repository.

It holds the command and nothing of the server, and is the same to the byte wherever it is made: members are stored, in order of
their names, with one date. `/cli/latest` names its SHA-256, by which installers and `agnes self-upgrade` check what they were given.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import agnes
from agnes.kernel.errors import NotFoundError
from agnes.ops import version

SOURCE = Path(agnes.__file__).parents[2] / "cli" / "agnes_cli"
"""In the checkout, and in the code layer under /opt."""
KINDS = frozenset({".py", ".txt", ".in"})
REQUIRES_PYTHON = ">=3.11"
REQUIREMENTS = ("click", "httpx", "zstandard")
"""As in pyproject.toml; a test keeps them equal."""
INSTALLERS = {"install.sh": "text/x-shellscript; charset=utf-8", "install.ps1": "text/plain; charset=utf-8"}
_DATE = (2020, 1, 1, 0, 0, 0)
_WHOLE_URL = re.compile(r"https?://[A-Za-z0-9.\-\[\]:]+(/[A-Za-z0-9._~/\-]*)?")


@dataclass(frozen=True, slots=True)
class LatestCommand:
    """`download_url_path` is below the server's address."""

    version: str
    wheel_filename: str
    sha256: str
    size_bytes: int
    download_url_path: str
    oldest_served: str


def latest() -> LatestCommand:
    body, name = wheel(), filename()
    return LatestCommand(
        version.NUMBER, name, hashlib.sha256(body).hexdigest(), len(body), f"/cli/wheel/{name}", version.OLDEST_COMMAND
    )


def filename() -> str:
    return f"agnes-{version.NUMBER}-py3-none-any.whl"


@cache
def wheel() -> bytes:
    """The whole wheel, about half a megabyte."""
    members = {
        f"agnes_cli/{file.relative_to(SOURCE).as_posix()}": file.read_bytes()
        for file in SOURCE.rglob("*")
        if file.suffix in KINDS and "__pycache__" not in file.parts
    }
    about = f"agnes-{version.NUMBER}.dist-info"
    members |= {f"{about}/{name}": text.encode() for name, text in _metadata().items()}
    lines = [f"{name},sha256={_digest(members[name])},{len(members[name])}" for name in sorted(members)]
    members[f"{about}/RECORD"] = "".join(f"{line}\n" for line in [*lines, f"{about}/RECORD,,"]).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, members[name])
    return buffer.getvalue()


def find_wheel(name: str) -> bytes:
    """Raises NotFoundError for any other than the latest."""
    if name != filename():
        raise NotFoundError(
            f"this server has no {name[:100]}", code="wheel_not_found", hint=f"It serves {filename()}: see /cli/latest."
        )
    return wheel()


def installer(name: str, server: str) -> str:
    """A script that installs the command on an analyst's computer. Raises NotFoundError."""
    if name not in INSTALLERS:
        raise NotFoundError(
            f"there is no {name[:100]}", code="installer_not_found", hint="There are install.sh and install.ps1."
        )
    if not _WHOLE_URL.fullmatch(server):  # it is written into a script
        raise NotFoundError("SERVER_URL has characters that no script should hold", code="installer_not_found")
    found = latest()
    text = _SHELL if name == "install.sh" else _POWERSHELL
    return text.replace("@SERVER@", server).replace("@FILE@", found.wheel_filename).replace("@SHA256@", found.sha256)


def _metadata() -> dict[str, str]:
    requires = "".join(f"Requires-Dist: {name}\n" for name in REQUIREMENTS)
    return {
        "METADATA": (
            f"Metadata-Version: 2.1\nName: agnes\nVersion: {version.NUMBER}\n"
            "Summary: The command of an Agnes installation: plugins, sessions, knowledge and data tables on your laptop.\n"
            f"License: Apache-2.0\nRequires-Python: {REQUIRES_PYTHON}\n{requires}"
        ),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: agnes\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": "[console_scripts]\nagnes = agnes_cli.start:main\n",
    }


def _digest(body: bytes) -> str:
    """As RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).decode().rstrip("=")


_SHELL = """\
#!/bin/sh
# Installs the agnes command of @SERVER@: with uv, or in an environment of its own below ~/.local/share/agnes.
set -eu
server='@SERVER@'
file='@FILE@'
sha256='@SHA256@'

fail() { echo "Error: $1" >&2; exit 1; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if command -v curl >/dev/null 2>&1; then
  curl -fsSL -o "$folder/$file" "$server/cli/wheel/$file" || fail "$server did not give the wheel"
elif command -v wget >/dev/null 2>&1; then
  wget -q -O "$folder/$file" "$server/cli/wheel/$file" || fail "$server did not give the wheel"
else
  fail 'curl or wget is needed'
fi
if command -v sha256sum >/dev/null 2>&1; then
  found=$(sha256sum "$folder/$file")
elif command -v shasum >/dev/null 2>&1; then
  found=$(shasum -a 256 "$folder/$file")
else
  fail 'sha256sum or shasum is needed'
fi
[ "${found%% *}" = "$sha256" ] || fail 'the wheel is not what the server described; nothing was installed'

if command -v uv >/dev/null 2>&1; then
  uv tool install --quiet --force --python '>=3.11' "$folder/$file"
  bin=$(uv tool dir --bin)
else
  python=''
  for each in python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$each" >/dev/null 2>&1 && "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
      python=$each
      break
    fi
  done
  [ -n "$python" ] || fail 'uv, or Python 3.11 or newer, is needed: https://docs.astral.sh/uv/'
  home="${XDG_DATA_HOME:-$HOME/.local/share}/agnes"
  bin="$HOME/.local/bin"
  mkdir -p "$home" "$bin"
  "$python" -m venv "$home/venv" || fail 'Python could not make an environment (on Debian: apt install python3-venv)'
  "$home/venv/bin/python" -m pip install --quiet --disable-pip-version-check --force-reinstall "$folder/$file"
  ln -sf "$home/venv/bin/agnes" "$bin/agnes"
fi
echo "Installed $("$bin/agnes" --version) in $bin."
case ":$PATH:" in
  *":$bin:"*) ;;
  *) echo "Put it on your PATH: export PATH=\\"$bin:\\$PATH\\"" ;;
esac
echo "Next, in the folder that you work in: agnes onboard --server $server"
"""

_POWERSHELL = """\
# Installs the agnes command of @SERVER@: with uv, or in an environment of its own below %LOCALAPPDATA%\\agnes.
$ErrorActionPreference = 'Stop'
$server = '@SERVER@'
$file = '@FILE@'
$folder = Join-Path ([IO.Path]::GetTempPath()) ([Guid]::NewGuid())
New-Item -ItemType Directory $folder | Out-Null
try {
  $wheel = Join-Path $folder $file
  Invoke-WebRequest -UseBasicParsing "$server/cli/wheel/$file" -OutFile $wheel
  if ((Get-FileHash -Algorithm SHA256 $wheel).Hash.ToLower() -ne '@SHA256@') {
    throw 'The wheel is not what the server described; nothing was installed.'
  }
  if (Get-Command uv -ErrorAction SilentlyContinue) {
    uv tool install --quiet --force --python '>=3.11' $wheel
    $bin = uv tool dir --bin
  } else {
    $root = Join-Path $env:LOCALAPPDATA 'agnes'
    py -3 -m venv (Join-Path $root 'venv')
    $bin = Join-Path $root 'venv\\Scripts'
    & (Join-Path $bin 'python.exe') -m pip install --quiet --disable-pip-version-check --force-reinstall $wheel
  }
  Write-Output "Installed $(& (Join-Path $bin 'agnes.exe') --version) in $bin; put this folder on your PATH if it is not."
  Write-Output "Next, in the folder that you work in: agnes onboard --server $server"
} finally {
  Remove-Item -Recurse -Force $folder
}
"""
