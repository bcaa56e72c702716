"""Ends servers by SIGTERM under clients, and counts what became of their requests.

    python tests/shutdown.py EXPORT_BASE [--rounds 20]

starts `seqtasks serve --embedded` for each round, with the models of a directory, whose first one
must read texts. Nothing that a server accepted may be lost: it prints what was, and exits with 1.
"""

import argparse
import collections
import contextlib
import http.client
import itertools
import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

CLIENTS = 16
# How a client may find out that a server is ending; everything else is a request that was lost.
GOOD_ENDS = {"refused", "UNAVAILABLE"}


class Clients:
    """Clients of every kind, each of which asks until the server refuses it."""

    def __init__(self, rest_port, grpc_port, model, text="a text"):
        self.answered = collections.Counter()
        self.ends = collections.Counter()
        self._ports, self._model, self._text = (rest_port, grpc_port), model, text
        kinds = itertools.cycle([self._keep_alive, self._grpc, self._connect_anew, self._grpc])
        self._threads = [
            threading.Thread(target=self._run, args=(next(kinds),), daemon=True)
            for _ in range(CLIENTS)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        for thread in self._threads:
            thread.join(60)
        self.ends["never ended"] += sum(thread.is_alive() for thread in self._threads)

    @property
    def lost(self):
        """Requests that weren't answered, by what became of them."""
        return {end: n for end, n in self.ends.items() if n and end not in GOOD_ENDS}

    def _run(self, kind):
        try:
            self.ends[kind()] += 1
        except ConnectionRefusedError:
            self.ends["refused"] += 1
        except grpc.RpcError as error:
            self.ends[error.code().name] += 1
        except Exception as error:
            self.ends[f"{kind.__name__}: {error!r}"] += 1

    def _keep_alive(self):
        connection = http.client.HTTPConnection("127.0.0.1", self._ports[0], timeout=60)
        while True:
            connection.connect()
            closing = False
            while not closing:
                closing = self._ask(connection)
            connection.close()

    def _connect_anew(self):
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", self._ports[0], timeout=60)
            connection.connect()
            with contextlib.closing(connection):
                self._ask(connection)

    def _ask(self, connection):
        body = json.dumps({"instances": [self._text]})
        connection.request("POST", f"/v1/models/{self._model}:predict", body)
        answer = connection.getresponse()
        if answer.status != 200 or "predictions" not in json.loads(answer.read()):
            raise ValueError(f"HTTP {answer.status}")
        self.answered["REST"] += 1
        return answer.getheader("connection") == "close"

    def _grpc(self):
        request = PredictRequest(model_spec={"name": self._model})
        request.inputs["text"].CopyFrom(tf.make_tensor_proto([self._text]))
        with grpc.insecure_channel(f"127.0.0.1:{self._ports[1]}") as channel:
            predict = PredictionServiceStub(channel).Predict
            while True:
                predict(request, timeout=60)
                self.answered["gRPC"] += 1


def one_round(base):
    """Start a server, end it under clients: what they saw."""
    command = [sys.executable, "-m", "seqtasks", "serve", "--embedded", "--model-base", str(base)]
    command += ["--port", "8461", "--grpc-port", "8460", "--no-access-log"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = ""
        while "Ready" not in said and (line := server.stdout.readline()):
            said += line
        found = re.search(r"^(\S+), version ", said, re.MULTILINE)
        assert found, said
        with Clients(8461, 8460, found[1]) as clients:
            time.sleep(1.5)
            server.send_signal(signal.SIGTERM)
        code = server.wait(60)
    return clients, code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("base", type=Path)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    lost = 0
    for number in range(1, options.rounds + 1):
        clients, code = one_round(options.base)
        lost += sum(clients.lost.values()) + (code != 0)
        shown = ", ".join(f"{n} {kind}" for kind, n in sorted(clients.answered.items()))
        print(f"round {number}: {shown} answered; ends {dict(clients.ends)}; exit code {code}")
    print(f"lost: {lost}")
    sys.exit(bool(lost))


if __name__ == "__main__":
    main()
