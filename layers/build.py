"""Builds the Lambda layers into build/layers/<name>/ and strips them to what functions use.

    python -m layers.build [--arch local|arm64|x86_64] [--traces] [NAME ...]

`layers/<name>/requirements.txt` names every package of a layer, without versions: those are pinned in
constraints.txt with their hashes, and nothing is resolved. What was installed is listed in build/sbom/<name>.cdx.json
(`layers/sbom.py`). `code` is ours: shared/agnes, the templates, the API's description, and the installation's
config/instance.yaml if there is one.
A layer whose inputs did not change is left as it is. With `--traces`, `base` holds OpenTelemetry, too (layers/base/traces.txt):
functions have five layers at most, and some have five.

Layers are built for the Python version of the interpreter that runs this, which also compiles their modules. For `local`, that
is this machine; for an architecture of Lambda, wheels are chosen by the glibc of that version's runtime, and each library
is read for what it needs (`layers/binaries.py`).
"""

from __future__ import annotations

import argparse
import compileall
import fcntl
import hashlib
import json
import py_compile
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from layers import runtimes
from layers.runtimes import Version, dotted

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "layers"
CONSTRAINTS = ROOT / "constraints.txt"
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
"""Lambda's architectures, as wheels name them."""

MEGABYTE = 1_000_000
HARD_LIMIT_BYTES = 250 * MEGABYTE
"""Lambda's, of a function unzipped with its layers."""
API_LIMIT_BYTES = 140 * MEGABYTE
"""Ours, of a function behind the API without pyarrow and without a model. It was 130 before sign-on, SCIM and the flea market."""

BOTOCORE_SERVICES = frozenset({"lambda", "s3", "sqs", "secretsmanager", "ssm", "sts"})

ANYWHERE = (
    "__pycache__",
    "tests",
    "test",
    "*.pyi",
    "*.pyx",
    "*.pxd",
    "*.pxi",
    "*.h",
    "*.hpp",
    "*.c",
    "bin",
    "examples",
)
"""Names that no function needs, whatever the package."""

STRIPPED = {
    # Chalice at run time is one module; the rest deploys, which SAM does here.
    "base": (
        "chalice/!(__init__.py|app.py)",
        "chalice/*.json",
        "_duckdb-stubs",
        "adbc_driver_duckdb",
        "duckdb/experimental",
        "pydantic/v1",
        "pydantic/mypy.py",
        "yaml/_yaml*",  # PyYAML has the same in Python, which is what we use
        "zstandard/*cffi*",
        "zstandard/*rust*",
    ),
    "aws": ("botocore/data/!(SERVICES)", "boto3/data/!(s3)", "boto3/examples"),
    "arrow": (
        "pyarrow/include",
        "pyarrow/src",
        "pyarrow/includes",
        "pyarrow/libarrow*.so",
        "pyarrow/libarrow*.so.*.*",
        "pyarrow/libparquet.so",
        "pyarrow/libarrow_flight*",
        "pyarrow/libarrow_s3*",
        "pyarrow/_s3fs*",
        "pyarrow/libarrow_python_flight*",
        "pyarrow/_pyarrow_cpp_tests*",
        "pyarrow/_flight*",
        "pyarrow/_substrait*",
        "pyarrow/flight.py",
        "pyarrow/substrait.py",
    ),
    "git": ("dulwich/porcelain*", "dulwich/cli.py", "dulwich/cloud", "dulwich/contrib"),
}
"""Globs below `python/`; `dir/!(a|b)` stands for everything in `dir` but a and b."""


def names() -> list[str]:
    return ["code", *sorted(file.parent.name for file in ROOT.glob("layers/*/requirements.txt"))]


def build(
    name: str, arch: str, python: Version | None = None, into: Path | None = None, *, traces: bool = False
) -> Path:
    """The layer's folder, built now if its inputs changed. Several processes may ask at once.

    `python` is another version than that of this interpreter, which then compiles nothing: the folder is good for
    looking at. Raises ValueError if AWS has no runtime for it and `arch` is one of AWS's.
    """
    target = python or runtimes.running()
    top = into or BUILD
    folder = top / name
    top.mkdir(parents=True, exist_ok=True)
    with (top / f".{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = top / f".{name}.stamp"
        lists = _requirements(name, traces=traces)
        wanted = _digest(name, arch, target, lists)
        if folder.exists() and stamp.exists() and stamp.read_text() == wanted:
            return folder
        stamp.unlink(missing_ok=True)
        staging = top / f".{name}.new"
        shutil.rmtree(staging, ignore_errors=True)
        _fill(name, arch, target, staging, lists)
        shutil.rmtree(folder, ignore_errors=True)
        staging.rename(folder)
        stamp.write_text(wanted)
    return folder


def _requirements(name: str, *, traces: bool) -> list[Path]:
    """The lists of a layer's packages; `code` has none."""
    names = [] if name == "code" else ["requirements.txt"]
    if name == "base" and traces:
        names.append("traces.txt")
    return [ROOT / "layers" / name / file for file in names]


def _fill(name: str, arch: str, python: Version, folder: Path, lists: list[Path]) -> None:
    inside = folder / "python"
    inside.mkdir(parents=True)
    if name == "code":
        _copy_code(folder)
    else:
        _install(lists, arch, python, inside, _report(name, folder.parent))
        for path in list(_superfluous(name, inside)):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if python == runtimes.running():
        # Lambda's /opt is read-only, so a cold start would compile everything again, each time.
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        compileall.compile_dir(inside, quiet=2, invalidation_mode=mode, stripdir=folder)


def list_contents(name: str, arch: str) -> Path:
    """Write what a layer that is built brings, as CycloneDX; `code` brings no distribution."""
    from layers import sbom  # of the tests' environment, which a test of the layers alone need not have

    report = {"install": [], "environment": {}} if name == "code" else json.loads(_report(name).read_text())
    return sbom.write(name, sbom.subject(f"agnes-layer-{name}", arch), report)


def _report(name: str, top: Path = BUILD) -> Path:
    """What pip says that it installed."""
    return top / f".{name}.installed.json"


def _digest(name: str, arch: str, python: Version, lists: list[Path]) -> str:
    sources = [Path(__file__), Path(runtimes.__file__)]
    if name == "code":
        sources += sorted(_code_files())
    else:
        sources += [CONSTRAINTS, *lists]
    digest = hashlib.sha256(f"{arch} {python} {runtimes.running()} {sys.platform}\n".encode())
    for source in sources:
        digest.update(f"{source.relative_to(ROOT)}\0".encode() + source.read_bytes())
    return digest.hexdigest()


def _code_files() -> Iterator[Path]:
    for top in ("shared/agnes", "templates"):
        for path in (ROOT / top).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path
    yield from sorted(
        p for p in (ROOT / "cli" / "agnes_cli").rglob("*") if p.is_file() and p.suffix != ".pyc"
    )  # its wheel is served
    yield from sorted((ROOT / "docs" / "runbooks").glob("*.md"))  # pages show them
    yield from (ROOT / "config").glob("instance.yaml")
    yield from (
        path
        for name in ("openapi.json", "jobs.json", "queues.json", "hosting.json", "commit")
        if (path := ROOT / "build" / name).exists()
    )


def _copy_code(folder: Path) -> None:
    """Laid out so that `agnes` finds `templates/` and `build/` two folders above itself, as in the checkout."""
    for source in _code_files():
        inside = source.relative_to(ROOT)
        target = folder / "python" / inside.relative_to("shared") if inside.parts[0] == "shared" else folder / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)


def _install(lists: list[Path], arch: str, python: Version, target: Path, report: Path) -> None:
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-compile", "--no-deps", "--require-hashes", "--only-binary=:all:"),
        *(["--prefer-binary"] if arch == "local" else _foreign(arch, python)),
        *("--constraint", str(CONSTRAINTS), *(word for file in lists for word in ("--requirement", str(file)))),
        *("--target", str(target), "--report", str(report)),
    ]
    subprocess.run(command, check=True)


def _foreign(arch: str, python: Version) -> list[str]:
    """Pip's options for wheels that load on Lambda."""
    platforms = runtimes.deployable(python).platforms(MACHINES[arch])
    return [*(f"--platform={tag}" for tag in platforms), f"--python-version={dotted(python)}"]


def _superfluous(name: str, folder: Path) -> Iterator[Path]:
    for pattern in ANYWHERE:
        yield from folder.rglob(pattern)
    for pattern in STRIPPED.get(name, ()):
        parent, _, kept = pattern.partition("!(")
        if kept:
            keep = BOTOCORE_SERVICES if kept == "SERVICES)" else set(kept.rstrip(")").split("|"))
            yield from (p for p in (folder / parent).iterdir() if p.name not in keep and _is_data(p))
        else:
            yield from folder.glob(pattern)
    for info in folder.glob("*.dist-info"):
        yield from (path for path in info.iterdir() if path.name not in ("METADATA", "entry_points.txt"))


def _is_data(path: Path) -> bool:
    """Loose files of botocore, beside the services' folders tell endpoints and retries of all of them."""
    return path.is_dir() or path.suffix != ".json"


def size_bytes(*folders: Path) -> int:
    return sum(path.stat().st_size for folder in folders for path in folder.rglob("*") if path.is_file())


def report(names_: list[str]) -> str:
    lines = [f"{name:8}{size_bytes(BUILD / name) / MEGABYTE:8.1f} MB" for name in names_]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--arch", choices=["local", *MACHINES], default="local", help="of the functions")
    parser.add_argument("--traces", action="store_true", help="with OpenTelemetry")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; all if none")
    options = parser.parse_args()
    wanted = options.names or names()
    try:
        for name in wanted:
            build(name, options.arch, traces=options.traces)
            list_contents(name, options.arch)
        unfit = [] if options.arch == "local" else list(_unfit(wanted, options.arch))
    except ValueError as refusal:
        unfit = [str(refusal)]
    if unfit:
        print("\n".join(unfit), file=sys.stderr)
        return 1
    print(report(wanted))
    return 0


def _unfit(wanted: list[str], arch: str) -> Iterator[str]:
    """Libraries of the layers that would not load on Lambda."""
    from layers import binaries  # of the tests' environment, as above

    runtime = runtimes.deployable(runtimes.running())
    for name in wanted:
        yield from (f"layer {name}: {problem}" for problem in binaries.problems(BUILD / name, runtime, arch))


if __name__ == "__main__":
    sys.exit(main())
