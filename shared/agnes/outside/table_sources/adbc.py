"""Databases through ADBC drivers: rows come as Arrow batches, a few at a time, and no Python object is made of one.

The driver manager's own interface is used, and not its DB-API, which would need pyarrow.
"""

# ruff: noqa: S608 (the statement is an admin's own)

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import duckdb

from agnes.kernel.ports import ObjectStore
from agnes.kernel.table_sources import Extract, Place, SourceFailed, SourceUnreachable
from agnes.outside.egress import EgressError, Resolve, judged_addresses
from agnes.outside.table_sources.places import INCOMING, STORE

if TYPE_CHECKING:
    from adbc_driver_manager import AdbcConnection

CONNECT_SECONDS = 20
BATCH_BYTES = 4_000_000
"""Of PostgreSQL: how much the driver gathers before it hands a batch over."""
_UNREACHABLE = ("could not connect", "connection refused", "timeout", "timed out", "unavailable", "could not translate")


@contextmanager
def postgresql(place: Place, sql: str, *, seconds: float, allow_private: bool, resolve: Resolve) -> Iterator[Extract]:
    """The statement may not write: the session is read-only. Raises SourceFailed, SourceUnreachable."""
    options = place.options
    host, port = options["host"], int(options.get("port", "5432"))
    address = _judged(host, port, allow_private=allow_private, resolve=resolve)
    said = {
        "user": options["user"],
        "hostaddr": address,
        "sslmode": options.get("sslmode", "require"),
        "connect_timeout": str(CONNECT_SECONDS),
        "application_name": "agnes",
    }
    if place.secret is not None:
        said["password"] = place.secret.value

    def uri(settings: str) -> dict[str, str]:
        given = said | {"options": f"-c statement_timeout={int(seconds * 1000)}{settings}"}
        query = urlencode(given, quote_via=quote)
        return {"uri": f"postgresql://{quote(host)}:{port}/{quote(options['database'], safe='')}?{query}"}

    driver = "adbc_driver_postgresql"
    with ExitStack() as stack:
        casts = _exact_numbers(stack.enter_context(_connection(driver, uri(""), place)), sql)
        reading = stack.enter_context(_connection(driver, uri(" -c default_transaction_read_only=on"), place))
        hint = {"adbc.postgresql.batch_size_hint_bytes": str(BATCH_BYTES)}
        yield Extract(stack.enter_context(_statement(reading, sql, place, hint)), casts)


def _exact_numbers(connection: AdbcConnection, sql: str) -> dict[str, str]:
    """Columns of PostgreSQL's `numeric`, which the driver hands out as text: with their own precision if DuckDB has it.

    A temporary view tells the types; who may make none, on a replica for instance, gets these columns as text.
    """
    import adbc_driver_manager

    asked = (
        "SELECT attname::text AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute "
        "WHERE attrelid = 'pg_temp.agnes_shape'::regclass AND attnum > 0"
    )
    with suppress(adbc_driver_manager.Error):
        connection.set_autocommit(False)
        with adbc_driver_manager.AdbcStatement(connection) as made:
            made.set_sql_query(f"CREATE TEMP VIEW agnes_shape AS SELECT * FROM ({sql}) q")
            made.execute_update()
        with adbc_driver_manager.AdbcStatement(connection) as types, duckdb.connect() as db:
            types.set_sql_query(asked)
            stream, _ = types.execute_query()
            db.register("types", stream)
            found = db.execute("SELECT name, type FROM types").fetchall()
        connection.rollback()
        return {name: _decimal(type_) for name, type_ in found if type_.startswith("numeric") and "[" not in type_}
    return {}


def _decimal(type_: str) -> str:
    """`numeric(10,2)` is exact up to 38 digits; what has more, or does not say, is a double."""
    precision, _, scale = type_.removeprefix("numeric").strip("()").partition(",")
    if not (precision.isdecimal() and int(precision) <= 38 and (scale or "0").isdecimal()):
        return "DOUBLE"
    return f"DECIMAL({precision},{scale or 0})" if int(scale or 0) <= int(precision) else "DOUBLE"


@contextmanager
def sqlite(place: Place, sql: str, *, store: ObjectStore) -> Iterator[Extract]:
    """A file of the installation's own store, opened so that it cannot be written. Raises SourceFailed."""
    location = place.options["location"]
    if not location.startswith(STORE):
        raise SourceFailed(
            f"a SQLite file is read from {STORE}<name>",
            hint=f"Put the file into the store below {INCOMING} and name it {STORE}<name>.",
        )
    with TemporaryDirectory(prefix="agnes-sqlite-") as folder:
        path = Path(folder) / "source.db"
        if not store.download(INCOMING + location.removeprefix(STORE), path):
            raise SourceFailed(f"there is no file {location} in the store", hint=f"It is looked for below {INCOMING}.")
        with (
            _connection("adbc_driver_sqlite", {"uri": f"file:{quote(str(path))}?mode=ro"}, place) as connection,
            _statement(connection, sql, place, {}) as stream,
        ):
            yield Extract(stream)


def _judged(host: str, port: int, *, allow_private: bool, resolve: Resolve) -> str:
    """The address that a host leads to. Raises SourceUnreachable for one that is not allowed, too."""
    try:
        (_, address), *_ = judged_addresses(host, port, allow_private=allow_private, resolve=resolve)
    except EgressError as exc:
        raise SourceUnreachable(exc.message, hint=exc.hint or None) from exc
    return str(address[0])


@contextmanager
def _connection(driver: str, settings: Mapping[str, str], place: Place) -> Iterator[AdbcConnection]:
    import adbc_driver_manager

    try:
        module: Any = importlib.import_module(driver)
        with (
            adbc_driver_manager.AdbcDatabase(driver=module._driver_path(), **settings) as database,
            adbc_driver_manager.AdbcConnection(database) as connection,
        ):
            yield connection
    except adbc_driver_manager.Error as error:
        raise failure(error, place) from error


@contextmanager
def _statement(connection: AdbcConnection, sql: str, place: Place, settings: Mapping[str, str]) -> Iterator[Any]:
    import adbc_driver_manager

    try:
        with adbc_driver_manager.AdbcStatement(connection) as statement:
            statement.set_options(**settings)
            statement.set_sql_query(sql)
            stream, _ = statement.execute_query()
            try:
                yield stream
            finally:
                stream.release()
    except adbc_driver_manager.Error as error:
        raise failure(error, place) from error


def failure(error: Exception, place: Place) -> SourceFailed | SourceUnreachable:
    """The driver's message as one line, without the secret."""
    said = " ".join(str(error).split())[:1000]
    if place.secret is not None and len(place.secret.value) >= 3:
        for form in (place.secret.value, quote(place.secret.value)):
            said = said.replace(form, "***")
    if any(word in said.lower() for word in _UNREACHABLE):
        return SourceUnreachable(f"{place.type}: {said}", hint="Check the source's options, and that it answers.")
    return SourceFailed(f"{place.type}: {said}")
