"""The local gateway: API Gateway's part, in production WSGI processes over the functions' own Chalice apps.

    python -m agnes_local.gateway FD      serves the listening socket that is open as FD (agnes_local.supervisor)

A request becomes the same proxy event that API Gateway would send, and goes to the same handler. Beside the
API it serves `/_store/…`, the presigned URLs of the folder store, which on AWS are S3's own.
"""

from __future__ import annotations

import gc
import logging
import os
import re
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from gunicorn.app.base import BaseApplication
from waitress.utilities import Error
from werkzeug.http import parse_range_header

from agnes import wiring
from agnes.browse import shelf
from agnes.edge.errors import error_reply, known_error
from agnes.edge.page import error_of_page
from agnes.edge.reply import respond
from agnes.edge.request import Request
from agnes.edge.routing import NO_SUCH_PATH, SEE_API, MethodNotAllowedError
from agnes.kernel.errors import AgnesError, NotFoundError, TooLargeError
from agnes.kernel.ids import new_ulid
from agnes.outside.metered import unmetered
from agnes.outside.object_store.folder import FolderStore
from agnes.outside.object_store.presigned import ROUTE, PresignedGet, PresignedPut, content_disposition
from agnes_local import composed, events, process_life, tls
from agnes_local.buffered_worker import BufferedWorker, Refused
from agnes_local.routes import NoSuchMethod, NoSuchPath, Routes

MAX_BODY_BYTES = 10_000_000
"""As API Gateway. A function takes less still (agnes.edge.request)."""
CHUNK_BYTES = 256 * 1024
COMPRESS_FROM_BYTES = 1024
FUNCTION_SECONDS = 29.0

_TEXT = re.compile(r"text/|application/(json|javascript)|image/svg\+xml")
_PRIVATE = re.compile(r"(?i)([?&][^=&]*(?:secret|token|signature|password|code|credential|key)[^=&]*=)[^&]*")
_STATUS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}

log = logging.getLogger("agnes.gateway")

Headers = list[tuple[str, str]]
StartResponse = Callable[[str, Headers], Any]


class ProtocolError(AgnesError):
    """What came over the connection is no request that this server takes."""

    def __init__(self, status: int, code: str, message: str, hint: str | None = None) -> None:
        super().__init__(message, code=code, hint=hint)
        self.status = status


_PROTOCOL_ERRORS = {
    error.status: error
    for error in (
        ProtocolError(400, "malformed_request", "the request is not valid HTTP"),
        ProtocolError(408, "request_timeout", "the request took too long to arrive", "Send it again."),
        ProtocolError(
            431, "header_too_large", "the header of the request is too large", "Send fewer or smaller cookies."
        ),
        ProtocolError(500, "internal_error", "the server failed to answer"),
        ProtocolError(501, "not_implemented", "this transfer encoding is not supported", "Send the body as it is."),
    )
}


def application(routes: Routes) -> Callable[[dict[str, Any], StartResponse], Iterable[bytes]]:
    """The WSGI application."""

    def serve(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        started = time.perf_counter()
        method = environ["REQUEST_METHOD"]
        uri = environ["REQUEST_URI"]
        path, _, query = (uri if uri.startswith("/") else _origin_form(uri)).partition("?")
        function = api_request_id = "-"
        body: Iterable[bytes]
        try:
            if path.startswith(ROUTE):
                status, headers, body, size = _stored(environ, method, path, query)
            else:
                route, params = routes.match(method, path)
                function = route.function
                event = events.proxy_event(
                    environ,
                    method="GET" if method == "HEAD" else method,
                    raw_path=path,
                    resource=route.path,
                    path_params=params,
                    body=_body(environ),
                )
                api_request_id = event["requestContext"]["requestId"]
                context = events.Context(function, api_request_id, FUNCTION_SECONDS)
                status, headers, content = events.answer(route.app(event, context))
                body, size = _finished(environ, method, status, headers, content)
        except Exception as exc:  # a bug here must not look like a lost connection
            status, headers, content = _refusal(exc, environ, method, path)
            body, size = _finished(environ, method, status, headers, content)
        start_response(_STATUS.get(status, str(status)), headers)
        _log_access(
            environ,
            path,
            query,
            status=status,
            size=size,
            function=function,
            api_request_id=api_request_id,
            headers=headers,
            started=started,
        )
        return body

    return serve


def _origin_form(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return "/"
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _body(environ: dict[str, Any]) -> bytes:
    """The whole body; `body_limit` was kept when it was received."""
    return environ["wsgi.input"].read() if environ.get("CONTENT_LENGTH") else b""


def body_limit(method: str, target: str) -> int:
    """Bytes that a request's body may have, known before the first of them is kept. Raises PresignRefused."""
    path, _, query = target.partition("?")
    if path.startswith(ROUTE) and method == "PUT" and (permit := _permit(method, path, query)) is not None:
        return permit.size_bytes if isinstance(permit, PresignedPut) else 0
    return MAX_BODY_BYTES


def refusal_of_server(error: Error) -> tuple[str, Headers, bytes]:
    """The answer to what the server refused before there was a request: status line, headers and body."""
    match error:
        case Refused():
            shown = error.error
        case _ if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            hint = "Upload it by presigned URL instead."
            shown = TooLargeError("the body is larger than this address takes", hint=hint)
        case _:
            shown = _PROTOCOL_ERRORS.get(error.code, _PROTOCOL_ERRORS[HTTPStatus.INTERNAL_SERVER_ERROR])
    request_id = new_ulid()
    reply = respond(error_reply(shown, request_id), {"X-Request-Id": request_id})
    status, headers, content = events.answer(reply.to_dict())
    headers.append(("Content-Length", str(len(content))))
    return _STATUS.get(status, str(status)), headers, content


def _finished(
    environ: dict[str, Any], method: str, status: int, headers: Headers, content: bytes
) -> tuple[list[bytes], int]:
    """The body as it is sent: compressed if that is wanted and worth it, empty for HEAD."""
    if len(content) >= COMPRESS_FROM_BYTES and "gzip" in environ.get("HTTP_ACCEPT_ENCODING", ""):
        names = {name.lower(): value for name, value in headers}
        if "content-encoding" not in names and _TEXT.match(names.get("content-type", "")):
            deflate = zlib.compressobj(4, zlib.DEFLATED, zlib.MAX_WBITS | 16)
            content = deflate.compress(content) + deflate.flush()
            headers += [("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    if status not in (204, 304):
        headers.append(("Content-Length", str(len(content))))
    if method == "HEAD" or status in (204, 304):
        return [], 0
    return [content], len(content)


def _refusal(exc: Exception, environ: dict[str, Any], method: str, path: str) -> tuple[int, Headers, bytes]:
    """An answer of the gateway itself, in the one error shape of the API; as a page for a browser."""
    extra = {}
    is_page = "text/html" in environ.get("HTTP_ACCEPT", "") and not path.startswith(("/api/", ROUTE))
    if isinstance(exc, NoSuchPath):
        error: AgnesError = NotFoundError(NO_SUCH_PATH, hint=None if is_page else SEE_API)
    elif isinstance(exc, NoSuchMethod):
        error = MethodNotAllowedError(method, exc.allowed)
        extra["Allow"] = ", ".join(exc.allowed)
    else:
        error = known_error(exc, request_id="", where=f"gateway {path}")
    event = events.proxy_event(environ, method=method, raw_path=path, resource=path, path_params={}, body=b"")
    request = Request.from_event(event)
    reply = error_of_page(error, request, None) if is_page else error_reply(error, request.id)
    return events.answer(respond(reply, {"X-Request-Id": request.id, **extra}).to_dict())


def _stored(environ: dict[str, Any], method: str, path: str, query: str) -> tuple[int, Headers, Iterable[bytes], int]:
    """Serve a presigned URL of the folder store. Raises PresignRefused and UploadMismatch."""
    store, permit = _folder_store(), _permit(method, path, query)
    if store is None or permit is None:
        raise NoSuchPath
    if isinstance(permit, PresignedPut):
        version = store.take_presigned(permit, _chunks(environ["wsgi.input"]), content_type=environ.get("CONTENT_TYPE"))
        return 200, [("ETag", f'"{version.tag}"'), ("Content-Length", "0")], [], 0
    file = store.open_file(permit.key)
    if file is None:
        raise NotFoundError("there is nothing under this URL", hint="Ask for a new one.")
    about = os.fstat(file.fileno())
    etag = f'"{about.st_ino:x}-{about.st_mtime_ns:x}-{about.st_size:x}"'  # a write makes another file
    asked = _range(environ, about.st_size, etag)
    if asked is None:
        file.close()
        return 416, [("Content-Range", f"bytes */{about.st_size}"), ("Content-Length", "0")], [], 0
    begin, end = asked
    size = end - begin
    headers = [
        ("Content-Type", permit.content_type or "application/octet-stream"),
        ("Content-Length", str(size)),
        ("Accept-Ranges", "bytes"),
        ("ETag", etag),
        ("Cache-Control", "private, no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
    ]
    if permit.filename:
        headers.append(("Content-Disposition", content_disposition(permit.filename)))
    status = 200 if size == about.st_size else 206
    if status == 206:
        headers.append(("Content-Range", f"bytes {begin}-{end - 1}/{about.st_size}"))
    if method == "HEAD":
        file.close()
        return status, headers, [], 0
    if end == about.st_size:
        file.seek(begin)
        return status, headers, environ["wsgi.file_wrapper"](file, CHUNK_BYTES), size
    return status, headers, _part(file, begin, end), size


def _range(environ: Mapping[str, Any], size: int, etag: str) -> tuple[int, int] | None:
    """[begin, end) of what is asked for, all of it unless that is one range of what the client has; None if it is beyond the end."""
    asked = parse_range_header(environ.get("HTTP_RANGE"))
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or environ.get("HTTP_IF_RANGE", etag) != etag:
        return 0, size
    return asked.range_for_length(size)


def _part(file: BinaryIO, begin: int, end: int) -> Iterator[bytes]:
    with file:
        file.seek(begin)
        while begin < end and (piece := file.read(min(CHUNK_BYTES, end - begin))):
            begin += len(piece)
            yield piece


def _folder_store() -> FolderStore | None:
    """None where the store has a server of its own."""
    store = unmetered(wiring.store())
    return store if isinstance(store, FolderStore) else None


def _permit(method: str, path: str, query: str) -> PresignedGet | PresignedPut | None:
    """What a presigned URL allows; None where the store has a server of its own. Raises PresignRefused."""
    store = _folder_store()
    if store is None:
        return None
    said = dict(parse_qsl(query, keep_blank_values=True))
    return store.open_presigned(method, unquote(path.removeprefix(ROUTE)), said, wiring.clock().now())


def _chunks(stream: Any) -> Iterator[bytes]:
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk


def _log_access(
    environ: dict[str, Any],
    path: str,
    query: str,
    *,
    status: int,
    size: int,
    function: str,
    api_request_id: str,
    headers: Headers,
    started: float,
) -> None:
    """One JSON line: `request_id` is the one that the answer has, `api_request_id` what API Gateway would call the request. Nothing that opens a door: a presigned URL's query is left out, secrets are blanked."""
    line = {
        "at": time.time(),
        "ms": round((time.perf_counter() - started) * 1000, 2),
        "status": status,
        "method": environ["REQUEST_METHOD"],
        "path": path + _PRIVATE.sub(r"\1…", f"?{query}") if query and not path.startswith(ROUTE) else path,
        "bytes": size,
        "function": function,
        "ip": events.client_ip(environ),
        "request_id": next((value for name, value in headers if name == "X-Request-Id"), ""),
        "api_request_id": api_request_id,
    }
    os.write(1, msgspec.json.encode(line) + b"\n")


class _Worker(BufferedWorker):
    body_limit = staticmethod(body_limit)
    error_answer = staticmethod(refusal_of_server)


class Gateway(BaseApplication):
    """gunicorn with our settings: several processes, several threads each."""

    def __init__(self, listener_fd: int) -> None:
        self._listener_fd = listener_fd
        super().__init__()

    def load_config(self) -> None:
        settings = wiring.settings()
        for name, value in {
            "bind": f"fd://{self._listener_fd}",
            "workers": settings.agnes_workers,
            "threads": settings.agnes_threads,
            "worker_class": _Worker,
            "preload_app": True,
            "graceful_timeout": 25,
            "timeout": 120,
            "loglevel": "warning",
            "control_socket_disable": True,
            "proc_name": "agnes-gateway",
            "post_worker_init": _warm_up,
            "worker_exit": _close_state,
            "on_exit": lambda _arbiter: gc.unfreeze(),
        }.items():
            self.cfg.set(name, value)

    def load(self) -> Callable[..., Iterable[bytes]]:
        serve = application(Routes(composed.routes()))
        gc.collect()
        gc.freeze()  # what is loaded before the fork stays shared among the workers
        return serve


def _warm_up(_worker: Any) -> None:
    """Open what the first request would wait for."""
    try:
        wiring.state().migrate()
        shelf.catalogue(wiring.state()).content.index  # noqa: B018 (made when it is first asked for)
    except AgnesError as exc:
        log.warning("the state cannot be opened yet: %s", exc.message)


def _close_state(_server: Any, _worker: Any) -> None:
    wiring.ledger().flush()
    wiring.tracer().close()
    wiring.state().close()
    gc.unfreeze()  # or duckdb's binding tells at the end of every object that was never collected


def main() -> None:
    process_life.end_with_parent()
    process_life.log_as_json(wiring.settings().log_level)
    listener_fd = int(sys.argv[1])
    _Worker.certificate = tls.certificate_of(wiring.settings())
    sys.argv[1:] = []  # gunicorn would read them
    Gateway(listener_fd).run()


if __name__ == "__main__":
    main()
