"""A small SavedModel with every kind of signature, and servers on real sockets."""

import contextlib
import http.client
import json
import shutil
import threading
import time

import pytest

from seqtasks.serving import http_server
from seqtasks.serving.embedded import make_loader
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.engine import Servable
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy

SCALE = "scale"  # the file by which `load_once` knows an export


def export(path, scale):
    """Write a SavedModel whose answers depend on `scale`."""
    import tensorflow as tf

    def spec(dtype, *shape, name):
        return tf.TensorSpec([None, *shape], dtype, name=name)

    class Zoo(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(float(scale))

        def score(self, text):
            return {"score": tf.cast(tf.strings.length(text, "UTF8_CHAR"), "float32") * self.scale}

        def pair(self, a, b):
            return {
                "sum": a[:, 0] + 3 * a[:, 1] * self.scale,
                "product": b * tf.cast(a, "int64")[:, 1],
            }

        def flags(self, on, n):
            return {"signed": tf.where(on, n, -n), "off": ~on}

        def echo(self, text):
            return {"text": text, "raw_bytes": text}

        def numbers(self, x):
            return {"y": x * self.scale}

        def mean(self, x):
            return {"mean": tf.reduce_mean(x)}

        def uneven(self, x):
            return {"x": x, "twice": tf.concat([x, 2 * x], 0)}

        def widths(self, x):
            return {"total": tf.reduce_sum(x * [[1.0]], 1)}

        def root(self, x):
            tf.debugging.assert_non_negative(x, "negative number")
            return {"root": tf.sqrt(x)}

        def count(self, steps):
            last = tf.reduce_max(steps)
            return {"steps": steps + 0 * tf.while_loop(lambda i: i < last, lambda i: i + 1, [0])[0]}

        def parsed(self, inputs):
            features = {
                "x": tf.io.FixedLenFeature([2], tf.float32),
                "word": tf.io.FixedLenFeature([], tf.string, "none"),
                "n": tf.io.FixedLenFeature([], tf.int64, 0),
            }
            return tf.io.parse_example(inputs, features)

        def classify(self, inputs):
            found = self.parsed(inputs)
            x = found["x"]
            names = tf.stack([found["word"], tf.strings.as_string(found["n"])], 1)
            return {"classes": names, "scores": tf.stack([x[:, 0], x[:, 1] * self.scale], 1)}

        def regress(self, inputs):
            x = self.parsed(inputs)["x"]
            return {"outputs": x[:, :1] * self.scale - x[:, 1:]}

    zoo = Zoo()
    text, examples = spec("string", name="text"), spec("string", name="inputs")
    x = spec("float32", name="x")
    specs = {
        "score": [text],
        "pair": [spec("float32", 2, name="a"), spec("int64", name="b")],
        "flags": [spec("bool", name="on"), spec("int32", name="n")],
        "echo": [text],
        "numbers": [x],
        "mean": [x],
        "uneven": [x],
        "widths": [spec("float32", None, name="x")],
        "root": [x],
        "count": [spec("int32", name="steps")],
        "classify": [examples],
        "regress": [examples],
    }
    signatures = {
        name: tf.function(getattr(zoo, name), input_signature=wanted, autograph=False)
        for name, wanted in specs.items()
    }
    signatures["serving_default"] = signatures.pop("score")
    tf.saved_model.save(zoo, str(path), signatures=signatures)


@pytest.fixture(scope="session")
def zoo(tmp_path_factory):
    """Exports with the scales 1, 2 and 3, by their scale."""
    base = tmp_path_factory.mktemp("exports")
    for scale in (1, 2, 3):
        export(base / str(scale), scale)
    return {scale: base / str(scale) for scale in (1, 2, 3)}


@pytest.fixture(scope="session")
def install(zoo):
    """Put an export below a model's folder, whole at once, as an export should be written."""

    def put(base, version, scale=None):
        base.mkdir(parents=True, exist_ok=True)
        staging = base / f"writing-{version}"
        shutil.copytree(zoo[scale or version], staging)
        (staging / SCALE).write_text(str(scale or version))
        staging.rename(base / str(version))
        return base / str(version)

    return put


@pytest.fixture(scope="session")
def corrupt(zoo):
    """Put an export below a model's folder whose weights are lost."""

    def put(base, version):
        staging = base / f"writing-{version}"
        shutil.copytree(zoo[1], staging)
        shutil.rmtree(staging / "variables")
        staging.rename(base / str(version))
        return base / str(version)

    return put


class Kept:
    """A loaded model that tests share, so closing it leaves it open."""

    def __init__(self, servable, version):
        self.servable, self.version = servable, version

    def __getattr__(self, name):
        return getattr(self.servable, name)

    def close(self):
        pass


@pytest.fixture(scope="session")
def load_once(zoo):
    """A loader for tests of something else: it opens each export of `zoo` once for all of them."""
    opened = {}

    def load(path, name, version):
        if not (path / SCALE).is_file():
            return make_loader()(path, name, version)
        scale = int((path / SCALE).read_text())
        if scale not in opened:
            opened[scale] = Servable(zoo[scale], name, version)
        return Kept(opened[scale], version)

    yield load
    for servable in opened.values():
        servable.close()


class Client:
    """Speaks HTTP to a server on this machine."""

    def __init__(self, port):
        self.port = port

    def ask(self, method, path, body=None, headers=None):
        """Send a request on a connection of its own: (status, headers, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def get(self, path):
        """GET JSON: (status, value)."""
        status, headers, body = self.ask("GET", path)
        assert headers["content-type"] == "application/json"
        return status, json.loads(body)

    def post(self, path, value):
        """POST JSON, or bytes as they are: (status, value)."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        status, headers, answer = self.ask("POST", path, body)
        assert headers["content-type"] == "application/json"
        return status, json.loads(answer)

    def predict(self, instances, model="zoo", signature="serving_default"):
        """Predict rows, which must go well."""
        status, answer = self.post(
            f"/v1/models/{model}:predict", {"signature_name": signature, "instances": instances}
        )
        assert status == 200, answer
        return answer["predictions"]


@pytest.fixture(scope="session")
def client_at():
    """Make a client for a port."""
    return Client


class Gate:
    """Wraps a loaded model; its runs wait until the gate is opened."""

    def __init__(self, servable):
        self.servable, self.version = servable, servable.version
        self.signature, self.signature_defs = servable.signature, servable.signature_defs
        self.entered, self.opened = threading.Semaphore(0), threading.Event()
        self.closed = threading.Event()

    def run(self, *arguments):
        self.entered.release()
        assert self.opened.wait(60)
        assert not self.closed.is_set()
        return self.servable.run(*arguments)

    def close(self):
        self.closed.set()
        self.servable.close()


@pytest.fixture
def gates(load_once):
    """A loader whose models wait at a gate, and the gates by version."""
    found = {}

    def load(path, name, version):
        found[version] = Gate(load_once(path, name, version))
        return found[version]

    yield load, found
    for gate in found.values():
        gate.opened.set()


@contextlib.contextmanager
def running(settings, loader=None, options=None, poll_seconds=0.05, arriving_seconds=0):
    """Run a server; give its client and its manager."""
    manager = ModelManager(settings, loader or make_loader(), poll_seconds)
    manager.start()
    server = HttpServer(make_app(manager, options or RestOptions()), HttpOptions(port=0))
    server.start()
    try:
        yield Client(server.port), manager
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(http_server, "_ARRIVING_SECONDS", arriving_seconds)
            patch.setattr(http_server, "_ACCEPTING_SECONDS", arriving_seconds / 4)
            patch.setattr(http_server, "_IDLE_SECONDS", 0)
            server.stop()
        manager.close()


@pytest.fixture(scope="session")
def run_server():
    """Run a server for the length of a `with`."""
    return running


@pytest.fixture(scope="session")
def served(install, tmp_path_factory):
    """A server that tests share and don't change: `zoo` with versions 1 and 3 and two labels."""
    base = tmp_path_factory.mktemp("served") / "zoo"
    for version in (1, 2, 3):
        install(base, version)
    settings = ModelSettings(
        "zoo", base, VersionPolicy(specific=frozenset({1, 3})), {"stable": 1, "lost": 2}
    )
    with running([settings]) as (client, _):
        yield client


@pytest.fixture(scope="session")
def eventually():
    """Wait until something holds, which it must within a minute."""

    def wait(holds):
        for _ in range(6000):
            if holds():
                return
            time.sleep(0.01)
        pytest.fail("it never held")

    return wait
