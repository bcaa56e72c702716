"""The REST protocol without its transport: method, path and body in, status and body out."""

import logging

from seqtasks.serving.limits import Limits
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.steps import Run, Steps, finish
from seqtasks.serving.protocol import inference, json_bodies
from seqtasks.serving.protocol.json_examples import decode_examples
from seqtasks.serving.protocol.metadata import describe, describe_status
from seqtasks.serving.protocol.routes import Reply, Route, error_reply, find_route
from seqtasks.serving.status import Code, StatusError

_log = logging.getLogger(__name__)


class RestApi:
    """Answers requests. May be called from many threads.

    Args:
        manager: the models.
        limits: how much a request may ask for.
    """

    def __init__(self, manager: ModelManager, limits: Limits):
        self._manager, self._limits = manager, limits

    def answer(self, route: Route, body: bytes) -> Reply:
        """Answer a request; an error is an answer, too."""
        try:
            if route.verb == "status":
                return Reply(200, self._status(route))
            if route.verb == "metadata":
                return self._metadata(route)
            return finish(self.steps(route, body))
        except StatusError as error:
            return error_reply(error)
        except Exception as error:
            return failed(route, error)

    def steps(self, route: Route, body: bytes) -> Steps[Reply]:
        """Answer a request that runs a model, in steps.

        Raises:
            StatusError: what the answer is instead.
        """
        document = json_bodies.parse(body)
        signature_name = json_bodies.signature_name(document)
        with self._manager.lease(route.model, route.version, route.label) as runner:
            signature = runner.signature(signature_name)
            if route.verb == "predict":
                feeds, form = json_bodies.decode_predict(document, signature, self._limits)
                answer = json_bodies.encode_predict((yield Run(runner, signature, feeds)), form)
            else:
                examples = decode_examples(document, self._limits)
                if route.verb == "classify":
                    found = yield from inference.classify_steps(runner, signature_name, examples)
                    answer = json_bodies.encode_classify(found)
                else:
                    values = yield from inference.regress_steps(runner, signature_name, examples)
                    answer = json_bodies.encode_regress(values)
            return Reply(200, answer, version=runner.version)

    def _status(self, route: Route) -> bytes:
        statuses = self._manager.statuses(route.model, route.version, route.label)
        rows = [describe_status(s.version, s.state.name, s.code.name, s.message) for s in statuses]
        return json_bodies.dumps({"model_version_status": rows})

    def _metadata(self, route: Route) -> Reply:
        with self._manager.lease(route.model, route.version, route.label) as runner:
            metadata = describe(route.model, runner.version, runner.signature_defs)
            return Reply(200, json_bodies.dumps(metadata), version=runner.version)


def failed(route: Route, error: BaseException) -> Reply:
    """Make the answer to a request that failed by a fault of ours, and log it."""
    _log.error("%s of model %s", route.verb, route.model, exc_info=error)
    return error_reply(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))


__all__ = ["Reply", "RestApi", "Route", "error_reply", "failed", "find_route"]
