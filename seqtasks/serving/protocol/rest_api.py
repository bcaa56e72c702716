"""The REST protocol without its transport: method, path and body in, status and body out."""

import logging

from seqtasks.serving.limits import Limits
from seqtasks.serving.models.manager import ModelManager
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
            return self._infer(route, body)
        except StatusError as error:
            return error_reply(error)
        except Exception as error:
            _log.exception("%s of model %s", route.verb, route.model)
            return error_reply(StatusError(Code.INTERNAL, f"{type(error).__name__}: {error}"))

    def _infer(self, route: Route, body: bytes) -> Reply:
        document = json_bodies.parse(body)
        signature_name = json_bodies.signature_name(document)
        with self._manager.lease(route.model, route.version, route.label) as runner:
            signature = runner.signature(signature_name)
            if route.verb == "predict":
                feeds, form = json_bodies.decode_predict(document, signature, self._limits)
                answer = json_bodies.encode_predict(runner.run(signature, feeds), form)
            else:
                examples = decode_examples(document, self._limits)
                if route.verb == "classify":
                    found = inference.classify(runner, signature_name, examples)
                    answer = json_bodies.encode_classify(found)
                else:
                    values = inference.regress(runner, signature_name, examples)
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


__all__ = ["Reply", "RestApi", "Route", "error_reply", "find_route"]
