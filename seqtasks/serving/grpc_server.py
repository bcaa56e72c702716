"""The gRPC server: TF Serving's two services and gRPC's health service on a port."""

import asyncio
import dataclasses
import functools
import logging
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf.wrappers_pb2 import Int32Value, StringValue

from seqtasks.serving.access import check_token
from seqtasks.serving.awaited import Awaited
from seqtasks.serving.config_files import Tls
from seqtasks.serving.grpc_ports import listen
from seqtasks.serving.jobs import Job
from seqtasks.serving.labels import observed
from seqtasks.serving.limits import SMALL_BYTES, THREADS, Busy, Limits, Places
from seqtasks.serving.loop_thread import LoopThread
from seqtasks.serving.messages.services import MODELS, PREDICTION, handlers
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.steps import Steps
from seqtasks.serving.models.stopping import Stop
from seqtasks.serving.monitoring import Metrics, access_log, log_request
from seqtasks.serving.protocol.grpc_api import GrpcApi
from seqtasks.serving.status import Code, StatusError, no_answer_within
from seqtasks.serving.workers import Workers

_log = logging.getLogger(__name__)

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
# Bytes, as in TF Serving. A client refuses more than 8 KiB of metadata with an answer, and a byte
# that isn't ASCII takes three.
_MESSAGE_LENGTH = 1024
# Tells clients that the same request would be refused again (gRFC A6).
_DO_NOT_RETRY = (("grpc-retry-pushback-ms", "-1"),)
# After the order to end, calls are refused in words that let clients try elsewhere, until so many
# seconds have passed without one: gRPC itself cancels what reaches it in the moment of its end.
_QUIET_SECONDS = 0.3
_QUIET_LOOKS = 20
_MOST_QUIET_SECONDS = 5.0
_SPARE_HANDLERS = 32  # for status, metadata and reloading, on top of the limited requests
_HANDLERS = 1024  # if requests have no limit

Context = grpc.aio.ServicerContext
Handler = Callable[[Any, Context], Coroutine[Any, Any, Any]]


@dataclasses.dataclass(frozen=True)
class GrpcOptions:
    """How the server listens, answers and ends.

    Args:
        host: the address of a network interface; "0.0.0.0" for all.
        port: 8500 is TF Serving's; 0 takes a free one.
        limits: how much clients may ask for.
        threads: how many requests to a model run at the same time; with batching, many more than
            cores.
        finish_seconds: how long accepted requests may take after the order to end.
        access_log: whether a JSON line is logged for each request.
        handlers: how many calls are taken at the same time; 0 for as many as the limits allow.
        socket_file: a socket file to listen on, too.
        tls: the certificates; None for none.
        token: what clients must show.
        reload_below: the folders below which a client may name models; () for none, None for any.
        shared: whether other processes of this server listen there, too.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    limits: Limits = dataclasses.field(default_factory=Limits)
    threads: int = THREADS
    finish_seconds: float = 60.0
    access_log: bool = True
    handlers: int = 0
    socket_file: Path | None = None
    tls: Tls | None = None
    token: str | None = dataclasses.field(default=None, repr=False)
    reload_below: Sequence[Path] | None = None
    shared: bool = False


class GrpcServer:
    """PredictionService, ModelService and Health on a port, answered in an event loop of its own.

    Args:
        manager: the models, which the caller starts and closes.
        options: where it listens and how it answers.
        metrics: the metrics to count in, such as the REST server's; by default its own.
        places: the places that requests take, such as the REST server's; by default its own.
        tell: tells the other processes of this server of a reload; None if there are none.

    Raises:
        ConfigError: if the port is taken or not allowed.
    """

    def __init__(
        self,
        manager: ModelManager,
        options: GrpcOptions | None = None,
        metrics: Metrics | None = None,
        places: Places | None = None,
        tell: Callable[[bytes], None] | None = None,
    ):
        self._options = options = options or GrpcOptions()
        places = places or Places(options.limits.concurrent, options.limits.held_bytes)
        api = GrpcApi(manager, options.limits, options.reload_below, tell)
        self._calls = _Calls(api, manager, options, metrics or Metrics(manager.knows), places)
        self._loop = LoopThread("grpc")
        self._running = False
        try:
            self._server, self.port = self._loop.run(self._listening())
        except BaseException:
            self._loop.close()
            raise

    async def _listening(self) -> tuple[grpc.aio.Server, int]:
        options = self._options
        size = options.limits.body_bytes
        most = options.handlers or (options.limits.concurrent or _HANDLERS) + _SPARE_HANDLERS
        server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", -1 if size is None else size),
                # Otherwise a second server on the same port would take a part of the requests.
                ("grpc.so_reuseport", int(options.shared)),
            ],
            maximum_concurrent_rpcs=most,
        )
        self._add_services(server)
        where = (options.host, options.port, options.socket_file, options.tls)
        return server, listen(server, *where, options.shared)

    def start(self) -> None:
        """Start to answer."""
        self._loop.run(self._server.start())
        self._running = True

    @property
    def running(self) -> bool:
        """Whether it answers, or still finishes accepted requests."""
        return self._running

    def stop(self) -> None:
        """Take no more requests, and return when the accepted ones are answered."""
        if not self._running:
            self._loop.run(self._server.start())  # else it would keep its port
        self._loop.run(self._calls.refuse())
        self._loop.run(self._server.stop(self._options.finish_seconds))
        self._running = False
        self._calls.close()
        self._loop.close()

    def _add_services(self, server: Any) -> None:
        calls, api = self._calls, self._calls.api
        prediction = {
            "Predict": calls.inference("Predict", api.predict),
            "Classify": calls.inference("Classify", api.classify),
            "Regress": calls.inference("Regress", api.regress),
            "MultiInference": calls.inference("MultiInference", api.multi_inference),
            "GetModelMetadata": calls.information("GetModelMetadata", api.metadata),
        }
        models = {
            "GetModelStatus": calls.information("GetModelStatus", api.status),
            "HandleReloadConfigRequest": calls.information(
                "HandleReloadConfigRequest", api.reload, is_long=True
            ),
        }
        health = calls.information("Check", api.health)
        check = grpc.unary_unary_rpc_method_handler(
            health, StringValue.FromString, Int32Value.SerializeToString
        )
        health_service = grpc.method_handlers_generic_handler(
            "grpc.health.v1.Health", {"Check": check}
        )
        server.add_generic_rpc_handlers(
            (handlers(PREDICTION, prediction), handlers(MODELS, models), health_service)
        )


class _Calls:
    """Makes gRPC handlers that keep limits and deadlines, count requests and log them."""

    def __init__(
        self,
        api: GrpcApi,
        manager: ModelManager,
        options: GrpcOptions,
        metrics: Metrics,
        places: Places,
    ):
        self.api, self._places = api, places
        self._token = options.token
        self._limits, self._metrics, self._log = options.limits, metrics, options.access_log
        self._workers = Workers(options.threads, "grpc", manager.knows)
        self._ending = False
        self._late_calls = 0  # since the last look

    def close(self) -> None:
        """Let the threads end when they are idle."""
        self._workers.close()

    async def refuse(self) -> None:
        """Take no more calls, and return when clients know it: when no more of them come.

        Looked at in the loop that takes the calls, so that a loop that has no core to run on, and
        in which calls wait, isn't taken for one to which none come.
        """
        self._ending, start, looks = True, time.monotonic(), 0
        while looks < _QUIET_LOOKS and time.monotonic() - start < _MOST_QUIET_SECONDS:
            before, self._late_calls = self._late_calls, 0
            looks = 0 if before else looks + 1
            await asyncio.sleep(_QUIET_SECONDS / _QUIET_LOOKS)

    def inference(self, name: str, answer: Callable[[Any], Steps]) -> Handler:
        """Make the handler of a call that runs a model, which is limited and counted."""

        async def handle(request: Any, context: Context) -> Any:
            return await self._handle(name, request, context, self._run(answer, request, context))

        return handle

    def information(
        self, name: str, answer: Callable[[Any], Any], is_long: bool = False
    ) -> Handler:
        """Make the handler of any other call; a thread answers those that take long."""

        async def asked(request: Any) -> Any:
            return await asyncio.to_thread(answer, request) if is_long else answer(request)

        async def handle(request: Any, context: Context) -> Any:
            return await self._handle(name, request, context, asked(request), counted=False)

        return handle

    async def _handle(
        self,
        name: str,
        request: Any,
        context: Context,
        answer: Coroutine[Any, Any, Any],
        counted: bool = True,
    ) -> Any:
        start = time.perf_counter()
        response, error = None, None
        try:
            self._admit(name, context)
            response = await answer
        except StatusError as refused:
            error = refused
        except asyncio.CancelledError:
            error = _gone(context)
            raise
        except Exception as defect:
            _log.exception("%s", name)
            error = StatusError(Code.INTERNAL, f"{type(defect).__name__}: {defect}")
        finally:
            answer.close()  # if it was never begun
            seconds = time.perf_counter() - start
            self._note(name, request, response, error, seconds, counted)
        if error is not None:
            again = error.code is not Code.RESOURCE_EXHAUSTED or isinstance(error, Busy)
            trailing = () if again else _DO_NOT_RETRY
            await context.abort(_CODES[error.code], _cut(error.message), trailing)
        return response

    def _admit(self, name: str, context: Context) -> None:
        if self._ending:
            self._late_calls += 1
            raise StatusError(Code.UNAVAILABLE, "The server is ending")
        if self._token is not None and name != "Check":
            shown = dict(context.invocation_metadata() or ()).get("authorization")
            check_token(shown if isinstance(shown, str) else None, self._token)

    async def _run(self, answer: Callable[[Any], Steps], request: Any, context: Context) -> Any:
        """Answer within the time that client and limits allow."""
        place, stop, awaited = self._places.take(), Stop(), Awaited(asyncio.get_running_loop())
        seconds = self._limits.request_seconds

        def done(response: Any, error: BaseException | None) -> None:
            place.give_back()
            awaited.give((response, error))

        try:
            model = _model(request) or ""
            steps = observed(answer(request), model, self._metrics.answered)
            is_large = request.ByteSize() > SMALL_BYTES
            spawn = functools.partial(self._workers.spawn, model)
            job = Job(steps, stop, spawn, done, None if is_large else awaited.later)
            if is_large:
                job.start_elsewhere()
        except BaseException:
            place.give_back()
            raise
        if not is_large:
            job.start()
        try:
            await awaited.arrives(seconds)
        except asyncio.CancelledError:
            job.cancel(_gone(context))
            raise
        if not awaited.is_there:
            late = no_answer_within(seconds or 0.0)
            job.cancel(late)
            raise late
        response, error = awaited.answer
        if error is not None:
            raise error
        return response

    def _note(
        self,
        name: str,
        request: Any,
        response: Any,
        error: StatusError | None,
        seconds: float,
        counted: bool,
    ) -> None:
        """Count a request and log it; texts are never logged."""
        code = error.code if error else Code.OK
        model = _model(request)
        if counted:
            self._metrics.count(model or "", code.name)
            self._metrics.latency(model or "", name, "GRPC", seconds * 1e6)
        if self._log and access_log.isEnabledFor(logging.INFO):
            spec = getattr(response, "model_spec", None)
            log_request(
                method="GRPC",
                path=name,
                code=code.name,
                milliseconds=round(seconds * 1e3, 3),
                bytes_in=request.ByteSize(),
                bytes_out=response.ByteSize() if response is not None else 0,
                model=model,
                version=spec.version.value if spec else None,
                error=error.message if error else None,
            )


def _model(request: Any) -> str | None:
    """The name of the model that a request asks; None for one that asks none."""
    asked = next(iter(getattr(request, "tasks", ())), request)  # MultiInference has it there
    return asked.model_spec.name if hasattr(asked, "model_spec") else None


def _gone(context: Context) -> StatusError:
    """What a request ends with whose client has gone: by itself, or since its time was over."""
    seconds = context.time_remaining()
    if seconds is None or seconds > 0:
        return StatusError(Code.CANCELLED, "The client went away")
    return StatusError(Code.DEADLINE_EXCEEDED, "Deadline Exceeded")


def _cut(message: str) -> str:
    data = message.encode("utf-8", "replace")
    if len(data) <= _MESSAGE_LENGTH:
        return message
    return data[:_MESSAGE_LENGTH].decode("utf-8", "ignore") + "...TRUNCATED"
