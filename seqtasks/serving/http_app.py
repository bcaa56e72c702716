"""The HTTP application: the REST protocol, health, readiness, metrics, limits, access log."""

import asyncio
import dataclasses
import functools
import logging
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from seqtasks.serving import monitoring, page
from seqtasks.serving.access import check_host, check_token
from seqtasks.serving.awaited import Awaited
from seqtasks.serving.config_files import METRICS_PATH
from seqtasks.serving.http_answer import reply_of
from seqtasks.serving.http_body import Body, decoded
from seqtasks.serving.jobs import Job
from seqtasks.serving.labels import observed
from seqtasks.serving.limits import SMALL_BYTES, THREADS, Limits, Place, Places
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.steps import Steps
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.protocol import json_bodies, kserve
from seqtasks.serving.protocol.rest_api import Reply, RestApi, error_reply, failed, find_route
from seqtasks.serving.protocol.rest_api import Route as Asked
from seqtasks.serving.status import Code, StatusError
from seqtasks.serving.workers import Workers

_PROTOCOL = re.compile(r"/v1/.*|/v2(/.*)?", re.IGNORECASE | re.DOTALL)
_OPEN = ("/healthz", "/readyz", "/v2/health/live", "/v2/health/ready")


@dataclasses.dataclass(frozen=True)
class RestOptions:
    """How the application answers.

    Args:
        limits: how much clients may ask for.
        cors_origins: the web pages that may call it; "*" for all, none by default.
        threads: how many requests to a model run at the same time; with batching, many more than
            cores.
        access_log: whether a JSON line is logged for each request.
        metrics_path: of the metrics; None for none.
        token: what clients must show; health and readiness are told to all.
        hosts: the names by which clients may call it; None for any.
    """

    limits: Limits = dataclasses.field(default_factory=Limits)
    cors_origins: Sequence[str] = ()
    threads: int = THREADS
    access_log: bool = True
    metrics_path: str | None = METRICS_PATH
    token: str | None = dataclasses.field(default=None, repr=False)
    hosts: Sequence[str] | None = None


def make_app(
    manager: ModelManager,
    options: RestOptions | None = None,
    metrics: monitoring.Metrics | None = None,
    places: Places | None = None,
) -> ASGIApp:
    """Make the application, whose models the caller starts and closes.

    Args:
        manager: the models.
        options: how it answers.
        metrics: the metrics to count in, such as the gRPC server's; by default its own.
        places: the places that requests take, such as the gRPC server's; by default its own.
    """
    options = options or RestOptions()
    metrics = metrics or monitoring.Metrics(manager.knows)
    places = places or Places(options.limits.concurrent, options.limits.held_bytes)
    service = _Service(manager, options, metrics, places)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        service.close()

    async def health(request: Request) -> Response:
        return _json(200, {"status": "ok"})

    async def readiness(request: Request) -> Response:
        waiting = manager.unready()
        ready = bool(manager.names()) and not waiting
        state = {"ready": ready, "models": manager.names(), "not_available": waiting}
        return _json(200 if ready else 503, state)

    async def show_metrics(request: Request) -> Response:
        return Response(metrics.exposition(), media_type=monitoring.CONTENT_TYPE)

    middleware = []
    if options.cors_origins:
        middleware.append(
            Middleware(
                CORSMiddleware,
                allow_origins=list(options.cors_origins),
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
            )
        )
    routes = [
        Route("/healthz", health),
        Route("/readyz", readiness),
        *([Route(options.metrics_path, show_metrics)] if options.metrics_path else []),
        *page.routes(manager),
        Mount("/", service),
    ]
    app = Starlette(routes=routes, middleware=middleware, lifespan=lifespan)

    async def shortcut(scope: Scope, receive: Receive, send: Send) -> None:
        # Starlette's own middleware and routing cost a tenth of the server's time.
        direct = scope["type"] == "http" and scope["path"][:4].lower() in ("/v1/", "/v2/", "/v2")
        await (service if direct else app)(scope, receive, send)

    return _guarded(app if middleware else shortcut, options)


def _guarded(app: ASGIApp, options: RestOptions) -> ASGIApp:
    """Let only those call the application who may."""
    if options.token is None and options.hosts is None:
        return app

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
            try:
                check_host(headers.get(b"host", ""), options.hosts)
                # A browser asks what it may do without showing anything.
                if scope["path"] not in _OPEN and scope["method"] != "OPTIONS":
                    check_token(headers.get(b"authorization"), options.token)
            except StatusError as error:
                reply = error_reply(error)
                await Response(reply.body, reply.http, media_type="application/json")(
                    scope, receive, send
                )
                return
        await app(scope, receive, send)

    return guard


def _json(status: int, value: dict) -> Response:
    return Response(json_bodies.dumps(value), status, media_type="application/json")


class _Service:
    """The part below /v1: reads the body, lets a thread answer it, counts and logs."""

    def __init__(
        self,
        manager: ModelManager,
        options: RestOptions,
        metrics: monitoring.Metrics,
        places: Places,
    ):
        self._api = RestApi(manager, options.limits)
        self._kserve = kserve.KServeApi(manager, options.limits)
        self._limits, self._metrics, self._places = options.limits, metrics, places
        self._log = options.access_log
        self._workers = Workers(options.threads, "rest", manager.knows)

    def close(self) -> None:
        """Let the threads end when they are idle."""
        self._workers.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        path = scope.get("raw_path", scope["path"].encode()).decode("latin-1")
        if not _PROTOCOL.fullmatch(path):
            await Response(status_code=404)(scope, receive, send)
            return
        start = time.perf_counter()
        request = Request(scope, receive)
        asked, body = None, Body()
        try:
            is_kserve = path.startswith("/v2")
            asked = (kserve.find_route if is_kserve else find_route)(scope["method"], path)
            if asked.reads_body:
                reply = await self._infer(asked, request, receive, body)
            elif is_kserve:
                reply = self._kserve.answer(asked)
            else:
                reply = self._api.answer(asked, b"")
        except StatusError as error:
            reply = error_reply(error)
        except ClientDisconnect:
            reply = error_reply(_left())
        seconds = time.perf_counter() - start
        self._note(scope["method"], path, asked, body.size, reply, seconds)
        if reply.code is Code.CANCELLED:
            return
        # No request can follow the rest of a body that wasn't read to its end.
        cut = asked is not None and asked.reads_body and not body.is_whole
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(reply.body)).encode()),
            *([(b"connection", b"close")] if cut else []),
        ]
        await send({"type": "http.response.start", "status": reply.http, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _infer(self, asked: Asked, request: Request, receive: Receive, body: Body) -> Reply:
        """Take a place, read the body, and answer in steps, the last of which gives it back."""
        place, stop, answer = self._places.take(), Stop(), Awaited(asyncio.get_running_loop())

        def done(reply: Reply | None, error: BaseException | None) -> None:
            place.give_back()
            answer.give(_refused(asked, error) if reply is None else reply)

        try:
            await self._read(request, body, place)
            encoding = request.headers.get("content-encoding", "")
            is_large = body.size > SMALL_BYTES or bool(encoding)
            spawn = functools.partial(self._workers.spawn, asked.model)
            later = None if is_large else answer.later
            job = Job(self._steps(asked, body.data, encoding), stop, spawn, done, later)
            if is_large:
                job.start_elsewhere()
        except BaseException:
            place.give_back()
            raise
        if not is_large:
            job.start()
        try:
            return await reply_of(answer, receive, self._limits.request_seconds)
        except (StatusError, ClientDisconnect) as error:
            job.cancel(error if isinstance(error, StatusError) else _left())
            raise

    async def _read(self, request: Request, body: Body, place: Place) -> None:
        limits = self._limits
        try:
            async with asyncio.timeout(limits.read_seconds):
                await body.read(request, limits.body_bytes, place)
        except TimeoutError as error:
            raise StatusError(
                Code.DEADLINE_EXCEEDED,
                f"The request's body wasn't sent within {limits.read_seconds:g} seconds",
                http=408,
            ) from error

    def _steps(self, asked: Asked, body: bytes, encoding: str) -> Steps[Reply]:
        data = decoded(body, encoding, self._limits.body_bytes)
        api = self._kserve if asked.verb == kserve.INFER else self._api
        steps = api.steps(asked, data)
        return (yield from observed(steps, asked.model, self._metrics.answered))

    def _note(
        self,
        method: str,
        path: str,
        asked: Asked | None,
        received: int,
        reply: Reply,
        seconds: float,
    ) -> None:
        """Count a request and log it; texts are never logged."""
        if asked and asked.reads_body:
            self._metrics.count(asked.model, reply.code.name)
            self._metrics.latency(asked.model, asked.verb, "REST", seconds * 1e6)
        if self._log and monitoring.access_log.isEnabledFor(logging.INFO):
            monitoring.log_request(
                method=method,
                path=path,
                status=reply.http,
                code=reply.code.name,
                milliseconds=round(seconds * 1e3, 3),
                bytes_in=received,
                bytes_out=len(reply.body),
                model=asked.model if asked else None,
                version=reply.version,
                error=reply.error or None,
            )


def _refused(asked: Asked, error: BaseException | None) -> Reply:
    if isinstance(error, StatusError):
        return error_reply(error)
    return failed(asked, error or RuntimeError("no answer"))


def _left() -> StatusError:
    return StatusError(Code.CANCELLED, "The client went away")
