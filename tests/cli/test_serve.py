"""`seqtasks serve`: what it refuses, and the servers it runs, as real processes."""

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from seqtasks.errors import ConfigError

SEQTASKS = (sys.executable, "-m", "seqtasks")
SECONDS = 240  # until a process that hangs is killed and its test fails; no speed is asserted
FAKE = Path(__file__).parents[1] / "serving" / "fake_model_server.py"


@pytest.fixture(autouse=True)
def no_program(monkeypatch, tmp_path):
    """Hide a tensorflow_model_server that this machine may have."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=None)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Put a stand-in for tensorflow_model_server on PATH; it writes what it got to `got`."""
    path = tmp_path / "bin" / "tensorflow_model_server"
    path.write_text(f"#!{sys.executable}\n{FAKE.read_text('utf-8')}")
    path.chmod(0o755)
    (tmp_path / "got").mkdir()
    monkeypatch.setenv("FAKE_FOLDER", str(tmp_path / "got"))
    return path


@pytest.fixture
def base(tmp_path):
    """A directory of models as far as looking for them goes."""
    for version in ("films/2", "films/11", "prices/1"):
        (tmp_path / "models" / version).mkdir(parents=True)
    signature = {"inputs": {"text": {"dtype": "string", "shape": [None]}}}
    written = json.dumps({"serving_default": signature})
    (tmp_path / "models/films/11/signatures.json").write_text(written)
    return tmp_path / "models"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def test_a_base_without_models_says_how_to_get_one(refused, tmp_path):
    missing = refused("serve", "--model-base", tmp_path / "none")
    assert missing.startswith(f"{tmp_path}/none: No such file or directory")
    (tmp_path / "empty" / "films" / "writing").mkdir(parents=True)
    said = refused("serve", "--model-base", tmp_path / "empty")
    assert said.startswith(f"{tmp_path}/empty: no model (NAME/VERSION/saved_model.pb). ")
    assert "`seqtasks export RUN`" in said
    assert "--poll-seconds" in said
    one_model = refused("serve", "--model-base", write_model_file(tmp_path / "films/1").parent)
    assert "this is one model" in one_model


def write_model_file(folder):
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"")
    return folder


def test_a_configuration_file_that_cant_be_used_is_named(refused, tmp_path):
    config = tmp_path / "models.config"
    assert "models.config: can't be read" in refused("serve", "--model-config-file", config)
    config.write_text("model_config_list { config { nmae: 'a' } }")
    said = refused("serve", "--model-config-file", config)
    assert "Error parsing text-format tensorflow.serving.ModelServerConfig: 1:" in said
    assert "nmae" in said
    config.write_text(f"model_config_list {{ config {{ name: 'a' base_path: '{tmp_path}' }} }}")
    said = refused("serve", "--model-config-file", config)
    assert said.startswith(f"{config}: none of its models has a version")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-batch-size", "8"), "--max-batch-size has no effect without --enable-batching"),
        (("--num-batch-threads", "2"), "--num-batch-threads has no effect"),
        (("--port", "81", "--grpc-port", "81"), "port 81 is asked for twice"),
        (("--embedded", "--binary", sys.executable), "--embedded and --binary: choose one"),
        (("--port", "65536"), "65536"),
        (("--poll-seconds", "-1"), "-1"),
        (("--enable-batching", "--max-batch-size", "0"), "0"),
        (("--batching-parameters-file", "b"), "--batching-parameters-file has no effect without"),
        (
            ("--enable-batching", "--num-batch-threads", "2", "--batching-parameters-file", "b"),
            "--num-batch-threads and --batching-parameters-file: choose one",
        ),
        (("--enable-batching", "--batching-parameters-file", "/no/b"), "/no/b: can't be read"),
        (("--model-name", "a"), "--model-name has no effect without --model-base-path"),
        (("--rest-port", "81", "--port", "82", "--grpc-port", "83"), "--port and --grpc-port"),
        (("--rest-tls",), "--rest-tls has no effect without --ssl-config-file"),
        (("--ssl_config_file", "/no/s"), "/no/s: can't be read as an SSL configuration"),
        (("--monitoring_config_file=/no/m",), "/no/m: can't be read as a monitoring"),
        (("--token-file", "/no/t"), "--token-file: /no/t: can't be read: No such file"),
        (("--enable_batching=maybe",), "maybe"),
        (("--tensorflow_session_parallelism=-1",), "-1"),
        (("--print-docker", "--ssl-config-file", "s"), "a container needs the file itself"),
    ],
)
def test_options_that_contradict_each_other_are_refused(refused, base, options, said):
    assert said in refused("serve", "--model-base", base, *options)


@pytest.mark.parametrize("which", ["--port", "--grpc-port"])
def test_a_port_that_is_taken_is_one_line(refused, base, which):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = "--grpc-port" if which == "--port" else "--port"
        said = refused("serve", "--model-base", base, which, port, other, free_port())
    assert said == (
        f"127.0.0.1:{port}: can't listen: Address already in use. Choose another --host or port"
    )


def test_options_are_checked_before_tensorflow_is_imported(base):
    script = (
        "import sys\nfrom seqtasks.cli import main\n"
        "for options in (['--host', '256.1.1.1'], ['--print-docker'], ['--max-batch-size', '8']):\n"
        "    try:\n        main(['serve', '--model-base', sys.argv[1], *options])\n"
        "    except SystemExit as end:\n"
        "        print(end.code, 'tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(base)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ends = [line for line in done.stdout.splitlines() if line.endswith(("True", "False"))]
    assert ends == ["2 False", "0 False", "2 False"]


def test_docker_is_given_the_models_the_ports_and_the_options(succeeds, base):
    done = succeeds(
        "serve", "--model-base", base, "--print-docker", "--host", "0.0.0.0", "--port", 80,
        "--grpc-port", 0, "--enable-batching", "--max-batch-size", 64, "--timeout", 2.5,
    )  # fmt: skip
    words = shlex.split(done.stdout.replace("\\\n", ""))
    assert words[:2] == ["docker", "run"]
    assert "tensorflow/serving" in words
    assert "0.0.0.0:80:8501" in words
    assert not any(word.endswith(":8500") for word in words)
    assert f"type=bind,source={base}/films,target=/models/films,readonly" in words
    assert "BATCHING=max_batch_size { value: 64 }" in words
    assert "--rest_api_timeout_in_ms=2500" in words


def test_batching_parameters_of_a_file_are_passed_on(succeeds, base, tmp_path):
    file = tmp_path / "batching.config"
    file.write_text("num_batch_threads { value: 3 } max_batch_size { value: 9 } # comment")
    options = ("--enable-batching", "--batching-parameters-file", file, "--print-docker")
    words = shlex.split(
        succeeds("serve", "--model-base", base, *options).stdout.replace("\\\n", "")
    )
    assert "BATCHING=max_batch_size { value: 9 } num_batch_threads { value: 3 }" in words


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--max-rows", "1"), "--max-rows: TF Serving's server has no such option"),
        (("--max-body-mb", "0"), "--max-body-mb"),
        (("--no-access-log",), "--no-access-log"),
        (("--host", "127.0.0.1"), "--host: TF Serving's server listens on all interfaces"),
        (("--cors-origin", "https://example.org"), "--cors-origin"),
        (("--grpc-port", "0"), "a port for REST and one for gRPC"),
        (("--port", "0"), "a port for REST and one for gRPC"),
    ],
)
def test_what_tf_serving_cant_do_isnt_left_undone(refused, base, program, options, said):
    refusal = refused("serve", "--model-base", base, *options)
    assert said in refusal
    assert refusal.endswith("; leave it out, or use --embedded")


def test_the_program_on_path_is_run_with_the_options(seqtasks, base, program, monkeypatch):
    monkeypatch.setenv("FAKE", "exit 23")
    port, grpc_port = free_port(), free_port()
    done = seqtasks(
        "serve", "--model-base", base, "--rest-port", port, "--grpc-port", grpc_port,
        "--cors-origin", "*", "--host", "0.0.0.0", "--poll-seconds", 3, "--enable-batching=true",
        "--access-log", "--tensorflow_session_parallelism=3", "--rest_api_num_threads=7",
        "--grpc_max_threads=9", "--tensorflow_inter_op_parallelism=2",
    )  # fmt: skip
    assert done.exit_code == 23
    got = program.parents[1] / "got"
    arguments = json.loads((got / "arguments").read_text())
    assert {
        f"--port={grpc_port}",
        f"--rest_api_port={port}",
        "--file_system_poll_wait_seconds=3",
        "--rest_api_enable_cors_support=true",
        "--enable_batching=true",
        "--tensorflow_intra_op_parallelism=3",
        "--tensorflow_inter_op_parallelism=2",
        "--rest_api_num_threads=7",
        "--grpc_max_threads=9",
    } <= set(arguments)
    assert f'base_path: "{base}/films"' in (got / "model_config_file").read_text()
    assert f"Starting {program}, which listens on all network interfaces" in done.stderr


def test_a_program_that_was_named_is_run_in_place_of_the_one_on_path(
    seqtasks, base, program, tmp_path, monkeypatch
):
    monkeypatch.setenv("FAKE", "exit 4")
    named = tmp_path / "mine"
    named.write_text("#!/bin/sh\nexit 5\n")
    named.chmod(0o755)
    ports = ("--port", free_port(), "--grpc-port", free_port())
    assert seqtasks("serve", "--model-base", base, *ports).exit_code == 4
    assert seqtasks("serve", "--model-base", base, *ports, "--binary", named).exit_code == 5


@contextlib.contextmanager
def started(*arguments):
    """Run `seqtasks serve` until it is ready: the process, and what it said by then."""
    command = [*SEQTASKS, "serve", *(str(argument) for argument in arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line.rstrip("\n"))
                if line.startswith("Ready."):
                    break
            else:
                pytest.fail(process.communicate()[1])
            yield process, said
        finally:
            process.kill()


def ended(process):
    """Wait for a process to end by itself: its code and what it said last."""
    _, err = process.communicate(timeout=SECONDS)
    return process.returncode, err


def ask(url, path, body=None):
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=SECONDS)
    with contextlib.closing(connection):
        connection.request("POST" if body else "GET", path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def eventually(holds):
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def address_of(said, name):
    return next(line for line in said if line.startswith(f"{name}  ")).split()[1]


@pytest.mark.slow
def test_the_program_is_announced_when_it_is_ready_and_gets_the_signal(base, program, monkeypatch):
    monkeypatch.setenv("FAKE", "catch 9")
    port, grpc_port = free_port(), free_port()
    with started("--model-base", base, "--rest-port", port, "--grpc-port", grpc_port) as (
        process,
        said,
    ):
        assert said[0] == f"films, version 11: {base}/films/11"
        assert said[1] == f"prices, version 1: {base}/prices/1"
        assert address_of(said, "REST") == f"http://127.0.0.1:{port}"
        assert address_of(said, "gRPC") == f"127.0.0.1:{grpc_port}"
        process.send_signal(signal.SIGINT)
        code, err = ended(process)
    assert code == 9
    assert (program.parents[1] / "got" / "signals").read_text() == "SIGINT\n"
    assert "Traceback" not in err


def export(path, factor):
    import tensorflow as tf

    def measure(text):
        return {"length": factor * tf.strings.length(text)}

    text = tf.TensorSpec([None], tf.string, "text")
    function = tf.function(measure, input_signature=[text], autograph=False)
    staging = path.parent / "writing"
    tf.saved_model.save(tf.Module(), str(staging), signatures={"serving_default": function})
    signature = {"inputs": {"text": {"dtype": "string", "shape": [None]}}}
    (staging / "signatures.json").write_text(json.dumps({"serving_default": signature}))
    staging.rename(path)


@pytest.mark.slow
def test_the_embedded_server_answers_finds_new_models_and_ends_with_sigterm(tmp_path):
    base, grpc_port = tmp_path / "models", free_port()
    export(base / "longer" / "4", 3)
    (base / "broken" / "1").mkdir(parents=True)
    options = ("--enable-batching", "--max-batch-size", 4, "--max-rows", 2, "--poll-seconds", 0.1)
    with started(
        "--model-base", base, "--port", 0, "--grpc-port", grpc_port, *options
    ) as (process, said):  # fmt: skip
        assert said[0] == f"longer, version 4: {base}/longer/4"
        assert not any(line.startswith("broken") for line in said)
        url = address_of(said, "REST")
        curl = shlex.split(next(line for line in said if line.startswith("Try: ")))
        assert curl[:2] == ["Try:", "curl"]
        path = curl[2].removeprefix(url)
        assert curl[3] == "-d"
        sent = json.loads(curl[4])
        status, answer = ask(url, path, curl[4])
        assert (status, answer) == (200, {"predictions": [3 * len(sent["instances"][0])]})
        assert ask(url, path, '{"instances": ["a", "b", "c"]}')[0] == 413
        assert lengths_over_grpc(address_of(said, "gRPC"), ["ab", "abcd"]) == [6, 12]
        assert ask(url, "/models") == (200, {"models": ["broken", "longer"]})
        export(base / "longer" / "5", 7)
        eventually(lambda: ask(url, path, '{"instances": ["ab"]}')[1] == {"predictions": [14]})
        export(base / "later" / "1", 2)
        later = "/v1/models/later:predict"
        eventually(lambda: ask(url, later, '{"instances": ["ab"]}')[0] == 200)
        process.send_signal(signal.SIGTERM)
        code, err = ended(process)
    assert code == 0
    assert "Traceback" not in err
    assert "model broken: version 1 can't be loaded" in err
    logged = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert {"method": "POST", "path": path, "status": 200, "model": "longer"}.items() <= (
        next(line for line in logged if line["method"] == "POST").items()
    )


@pytest.mark.slow
def test_a_signal_while_it_starts_ends_it_well_and_without_being_ready(base):
    ports = ("--rest-port", str(free_port()), "--grpc-port", "0")
    command = [*SEQTASKS, "serve", "--model-base", str(base), *ports]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "Starting TensorFlow and loading the models\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.slow
def test_serving_needs_no_keras(tmp_path):
    export(tmp_path / "longer" / "1", 2)
    script = (
        "import os, signal, sys\nfrom seqtasks.cli import main, serve\n"
        "show = serve._show\n"
        "def then_end(*rest, **more):\n"
        "    show(*rest, **more)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "serve._show = then_end\n"
        "try:\n    main(sys.argv[1:])\nfinally:\n"
        "    print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    options = ["--model-base", str(tmp_path), "--port", "0", "--grpc-port", str(free_port())]
    command = [sys.executable, "-c", script, "serve", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert said[-2:] == ["Ready. Ctrl-C ends it.", "{'tensorflow'}"]


def lengths_over_grpc(target, texts):
    import grpc
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    request = predict_pb2.PredictRequest()
    request.model_spec.name = "longer"
    tensor = request.inputs["text"]
    tensor.dtype = 7  # DT_STRING
    tensor.tensor_shape.dim.add(size=len(texts))
    tensor.string_val.extend(text.encode() for text in texts)
    with grpc.insecure_channel(target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        return list(stub.Predict(request, timeout=SECONDS).outputs["length"].int_val)


@pytest.mark.slow
def test_polling_that_is_asked_for_lets_the_server_start_empty(seqtasks, tmp_path, monkeypatch):
    monkeypatch.setattr("seqtasks.serving.embedded.start_logging", lambda: None)
    (tmp_path / "models").mkdir()
    port, seen = free_port(), []

    def ready():
        with contextlib.suppress(OSError):
            return ask(f"127.0.0.1:{port}", "/readyz")[0]

    def use():
        try:
            eventually(ready)
            seen.append(ready())
            export(tmp_path / "models" / "late" / "1", 1)
            eventually(lambda: ready() == 200)
            seen.append(200)
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    user = threading.Thread(target=use)
    user.start()
    done = seqtasks(
        "serve", "--model-base", tmp_path / "models", "--rest-port", port, "--grpc-port", 0,
        "--poll-seconds", 0.1,
    )  # fmt: skip
    user.join()
    assert seen == [503, 200]
    assert done.exit_code == 0
    said = done.stdout.splitlines()
    assert said[0] == "no models yet; waiting for them"
    assert not any(line.startswith("gRPC") for line in said)


@pytest.mark.slow
def test_models_none_of_which_can_be_loaded_are_an_error(base, caplog):
    from seqtasks.serving.embedded import run_embedded
    from seqtasks.serving.options import ServerOptions, model_source

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(ConfigError, match="no model can be loaded; the lines above say why"):
        run_embedded(model_source(base), ServerOptions(port=0, grpc_port=free_port()), pytest.fail)
    assert "model films: version 11 can't be loaded" in caplog.text
    assert signal.getsignal(signal.SIGTERM) is before


# --- TF Serving's flags -------------------------------------------------------------------------


class Started(Exception):
    """Carries the options with which the server would have started."""


@pytest.fixture
def asked_for(base, monkeypatch):
    """The models and options that a command line of `serve` stands for, and what it says."""
    from click.testing import CliRunner

    from seqtasks.cli import main, serve

    def started(source, options):
        raise Started(source(), options)

    def ask(*arguments):
        with monkeypatch.context() as patch:
            patch.setattr(serve_module(serve), "_embedded", started)
            patch.setattr(serve_module(serve), "_check_ports", lambda options: None)
            done = CliRunner().invoke(main, ["serve", "--embedded", *map(str, arguments)])
        assert isinstance(done.exception, Started), done.output
        return *done.exception.args, done.stderr

    return ask


def serve_module(serve):
    return sys.modules["seqtasks.cli.serve"]


def test_tf_serving_s_quick_start_means_the_same(asked_for, base):
    models, options, said = asked_for(
        "--port=9000",
        "--rest_api_port=9001",
        "--model_name=half",
        f"--model_base_path={base}/films",
    )
    assert [(model.name, model.base_path) for model in models] == [("half", base / "films")]
    assert (options.grpc_port, options.port, said) == (9000, 9001, "")
    models, options, _ = asked_for("--port=9000", f"--model_base_path={base}/films")
    assert (models[0].name, options.grpc_port, options.port) == ("default", 9000, 8501)


def test_port_alone_is_rest_s_as_before_and_says_so(asked_for, base):
    _, options, said = asked_for("--model-base", base, "--port", 9000)
    assert (options.port, options.grpc_port) == (9000, 8500)
    assert said.startswith("note: --port is REST's port here, and gRPC's in TF Serving")


def test_flags_of_tf_serving_reach_the_server(asked_for, base, tmp_path):
    (tmp_path / "m").write_text('prometheus_config { enable: true path: "/metrics" }')
    _, options, _ = asked_for(
        "--model-base", base, "--grpc_socket_path", tmp_path / "s", "--monitoring_config_file",
        tmp_path / "m", "--tensorflow_session_parallelism=3", "--rest_api_num_threads=7",
        "--grpc_max_threads=9", "--enable_batching", "--enable_per_model_batching_parameters=true",
        "--saved_model_tags=serve,gpu", "--allow_version_labels_for_unavailable_models=false",
    )  # fmt: skip
    assert options.grpc_socket == tmp_path / "s"
    assert options.metrics_path == "/metrics"
    sessions = options.sessions
    assert (sessions.intra_op_threads, sessions.inter_op_threads) == (3, 3)
    assert sessions.tags == ("serve", "gpu")
    assert (options.rest_threads, options.grpc_threads) == (7, 9)
    assert (options.batching, options.model_batching, options.early_labels) == ({}, True, False)
    (tmp_path / "m").write_text("prometheus_config { enable: false }")
    _, options, _ = asked_for("--model-base", base, "--monitoring_config_file", tmp_path / "m")
    assert options.metrics_path is None
    assert (options.batching, options.model_batching, options.early_labels) == (None, False, True)


def test_the_versions_are_shown(succeeds):
    from seqtasks.version import __version__

    said = succeeds("serve", "--version").stdout.splitlines()
    assert said[0] == f"seqtasks serve: {__version__}"
    assert said[1].startswith("TensorFlow Library: 2.")


# --- Who may call it ----------------------------------------------------------------------------


def test_on_this_machine_alone_names_are_known_and_models_may_be_changed(asked_for, base):
    _, options, said = asked_for("--model-base", base)
    assert options.access.hosts == ("localhost",)
    assert options.access.reload_below == (base,)
    assert said == ""
    _, options, _ = asked_for("--model-base", base, "--allowed-hosts", "me.example",
                              "--no-allow-reload")  # fmt: skip
    assert options.access.hosts == ("localhost", "me.example")
    assert options.access.reload_below == ()


def test_where_strangers_may_call_there_is_a_warning_and_no_reloading(asked_for, base, tmp_path):
    _, options, said = asked_for("--model-base", base, "--host", "0.0.0.0")
    assert (options.access.hosts, options.access.reload_below) == (None, ())
    assert said.startswith("warning: everyone who reaches 0.0.0.0 may ask these models")
    (tmp_path / "token").write_text("s3cret\n")
    _, options, said = asked_for(
        "--model-base", base, "--host", "0.0.0.0", "--token-file", tmp_path / "token",
        "--allow-reload",
    )  # fmt: skip
    assert (options.access.token, options.access.reload_below, said) == ("s3cret", (base,), "")
    assert "s3cret" not in repr(options)


def test_one_model_may_be_changed_to_folders_beside_its_own(asked_for, base):
    _, options, _ = asked_for(f"--model_base_path={base}/films")
    assert options.access.reload_below == (base,)


@pytest.mark.parametrize("text", ["", " \n", "two words", "two\nlines", "é"])
def test_a_token_that_is_none_is_refused(refused, base, tmp_path, text):
    (tmp_path / "token").write_text(text)
    said = refused("serve", "--model-base", base, "--token-file", tmp_path / "token")
    assert "expected one line" in said
