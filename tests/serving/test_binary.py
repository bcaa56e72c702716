"""TF Serving's own server: its files, read as it reads them; its flags; the process around it."""

import csv
import itertools
import json
import os
import random
import runpy
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from seqtasks.errors import ConfigError
from seqtasks.serving import binary
from seqtasks.serving.limits import Limits
from seqtasks.serving.models.model_config import ModelSettings, VersionPolicy, find_models
from seqtasks.serving.options import ServerOptions

FAKE = Path(__file__).with_name("fake_model_server.py")
BATCHING = {
    "max_batch_size": 37,
    "batch_timeout_micros": 0,
    "max_enqueued_batches": 5,
    "num_batch_threads": 3,
}


@pytest.fixture(scope="module")
def messages():
    """Messages that Python's package leaves out, as TF Serving's .proto files have them."""
    file = descriptor_pb2.FileDescriptorProto(
        name="left_out.proto",
        package="left_out",
        syntax="proto3",
        dependency=["google/protobuf/wrappers.proto"],
    )
    field = descriptor_pb2.FieldDescriptorProto
    batching = file.message_type.add(name="BatchingParameters")
    for number, name in enumerate(BATCHING, 1):
        batching.field.add(
            name=name,
            number=number,
            label=field.LABEL_OPTIONAL,
            type=field.TYPE_MESSAGE,
            type_name=".google.protobuf.Int64Value",
        )
    prometheus = file.message_type.add(name="PrometheusConfig")
    prometheus.field.add(name="enable", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_BOOL)
    prometheus.field.add(name="path", number=2, label=field.LABEL_OPTIONAL, type=field.TYPE_STRING)
    file.message_type.add(name="MonitoringConfig").field.add(
        name="prometheus_config",
        number=1,
        label=field.LABEL_OPTIONAL,
        type=field.TYPE_MESSAGE,
        type_name=".left_out.PrometheusConfig",
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)

    def message(name):
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"left_out.{name}"))

    return message


@pytest.fixture
def models(tmp_path, monkeypatch):
    """Two models below a folder that is the current one, with a name that needs care."""
    monkeypatch.chdir(tmp_path)
    for path in ("base/films/3", "base/films/12", 'base/it\'s, "so"/1'):
        (tmp_path / path).mkdir(parents=True)
    return lambda: find_models(Path("base"))


def test_models_are_written_with_absolute_paths_policies_and_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    source = [
        ModelSettings("a", Path("base/a"), VersionPolicy(latest=2)),
        ModelSettings("b", Path("/b"), VersionPolicy(specific=frozenset({7, 5})), {"stable": 5}),
        ModelSettings("c", tmp_path / "c", VersionPolicy(latest=None)),
    ]
    files = binary.config_files(binary.models_config(lambda: source), ServerOptions())
    read = text_format.Parse(files[binary.MODELS], ModelServerConfig())
    found = read.model_config_list.config
    assert [entry.name for entry in found] == ["a", "b", "c"]
    assert [entry.base_path for entry in found] == [f"{tmp_path}/base/a", "/b", f"{tmp_path}/c"]
    assert {entry.model_platform for entry in found} == {"tensorflow"}
    policies = [entry.model_version_policy for entry in found]
    assert [p.WhichOneof("policy_choice") for p in policies] == ["latest", "specific", "all"]
    assert policies[0].latest.num_versions == 2
    assert list(policies[1].specific.versions) == [5, 7]
    assert [dict(entry.version_labels) for entry in found] == [{}, {"stable": 5}, {}]


def test_no_models_are_still_a_list_of_models():
    files = binary.config_files(binary.models_config(lambda: []), ServerOptions())
    read = text_format.Parse(files[binary.MODELS], ModelServerConfig())
    assert read.WhichOneof("config") == "model_config_list"


def test_a_users_configuration_is_passed_on_whole_with_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "models.config"
    config.write_text(
        """model_config_list {
          config { name: "a" base_path: "here/a" version_labels { key: "new" value: 9 }
                   logging_config { sampling_config { sampling_rate: 0.25 } } }
          config { name: "b" base_path: "gs://bucket/b" model_platform: "tensorflow" }
        }"""
    )
    first, second = binary.file_config(config).model_config_list.config
    assert (first.base_path, second.base_path) == (f"{tmp_path}/here/a", "gs://bucket/b")
    assert first.model_platform == second.model_platform == "tensorflow"
    assert first.version_labels == {"new": 9}
    assert first.logging_config.sampling_config.sampling_rate == 0.25
    config.write_text('model_config_list { config { name: "a" } }')
    with pytest.raises(ConfigError, match=r"models\.config: model 1"):
        binary.file_config(config)


def test_batching_and_monitoring_files_say_what_was_asked_for(messages):
    config = ModelServerConfig()
    plain = binary.config_files(config, ServerOptions())
    assert set(plain) == {binary.MODELS, binary.MONITORING}
    monitoring = text_format.Parse(plain[binary.MONITORING], messages("MonitoringConfig")())
    assert monitoring.prometheus_config.enable is True
    assert monitoring.prometheus_config.path == "/monitoring/prometheus/metrics"
    files = binary.config_files(config, ServerOptions(batching=BATCHING))
    read = text_format.Parse(files[binary.BATCHING], messages("BatchingParameters")())
    assert {name: getattr(read, name).value for name in BATCHING} == BATCHING
    assert all(read.HasField(name) for name in BATCHING)
    few = binary.config_files(config, ServerOptions(batching={"num_batch_threads": 2}))
    read = text_format.Parse(few[binary.BATCHING], messages("BatchingParameters")())
    assert [field.name for field, _ in read.ListFields()] == ["num_batch_threads"]


def written_flags(config=None, **settings):
    options = ServerOptions(**settings)
    found = binary.flags(config or ModelServerConfig(), options, "/f", 1234, 4321)
    return dict(flag.removeprefix("--").split("=", 1) for flag in found)


def test_every_flag_has_the_value_that_was_asked_for():
    plain = {
        "port": "4321",
        "rest_api_port": "1234",
        "rest_api_timeout_in_ms": "30000",
        "model_config_file": "/f/models.config",
        "model_config_file_poll_wait_seconds": "1",
        "file_system_poll_wait_seconds": "1",
        "monitoring_config_file": "/f/monitoring.config",
    }
    assert written_flags() == plain
    batching = {"enable_batching": "true", "batching_parameters_file": "/f/batching.config"}
    assert written_flags(batching={}) == plain | batching
    assert written_flags(cors_origins=["*"]) == plain | {"rest_api_enable_cors_support": "true"}
    labelled = ModelServerConfig()
    labelled.model_config_list.config.add(name="a", version_labels={"stable": 1})
    allow = {"allow_version_labels_for_unavailable_models": "true"}
    assert written_flags(labelled) == plain | allow


@pytest.mark.parametrize(
    ("seconds", "polled"), [(0, "0"), (0.2, "1"), (1, "1"), (2.5, "3"), (60, "60")]
)
def test_polling_is_in_whole_seconds_and_never_turned_off_by_rounding(seconds, polled):
    found = written_flags(poll_seconds=seconds)
    assert found["file_system_poll_wait_seconds"] == polled
    assert found["model_config_file_poll_wait_seconds"] == polled


@pytest.mark.parametrize(
    ("seconds", "flag"), [(1.5, "1500"), (0.0001, "1"), (None, "2147483647"), (1e9, "2147483647")]
)
def test_timeouts_are_in_milliseconds_and_fit_the_flag(seconds, flag):
    assert written_flags(limits=Limits(request_seconds=seconds))["rest_api_timeout_in_ms"] == flag


def docker(options, source):
    """What a shell gives docker: the words before the image's name and after it."""
    command = binary.docker_command(binary.models_config(source), options)
    script = f"docker() {{ printf '%s\\0' \"$@\"; }}\n{command}"
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    words = done.stdout.removesuffix("\0").split("\0")
    image = words.index("tensorflow/serving")
    return words[:image], words[image + 1 :]


def values_of(words, flag):
    return [value for name, value in itertools.pairwise(words) if name == flag]


def test_docker_gets_ports_and_a_mount_for_each_model(models, tmp_path):
    before, _ = docker(ServerOptions(host="0.0.0.0", port=80, grpc_port=81), models)
    assert before[:3] == ["run", "--rm", "--init"]
    assert values_of(before, "-p") == ["0.0.0.0:80:8501", "0.0.0.0:81:8500"]
    mounts = [next(csv.reader([mount])) for mount in values_of(before, "--mount")]
    assert mounts == [
        ["type=bind", f"source={tmp_path}/base/{name}", f"target=/models/{name}", "readonly"]
        for name in ("films", 'it\'s, "so"')
    ]
    without, _ = docker(ServerOptions(host="::1", grpc_port=0), models)
    assert values_of(without, "-p") == ["[::1]:8501:8501"]


def test_what_docker_runs_writes_the_files_and_becomes_the_server(models, messages, tmp_path):
    options = ServerOptions(port=80, grpc_port=81, batching=BATCHING)
    before, after = docker(options, models)
    assert values_of(before, "--entrypoint") == ["/bin/sh"]
    assert after[0] == "-c"
    assert after[2] == "tensorflow_model_server"
    inside = tmp_path / "tmp"
    inside.mkdir()
    script = after[1].replace("/tmp/", f"{inside}/")
    variables = dict(value.split("=", 1) for value in values_of(before, "-e"))
    show = [sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='\\n')"]
    done = subprocess.run(
        ["/bin/sh", "-c", script, *show, *after[3:]],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    config = text_format.Parse((inside / binary.MODELS).read_text(), ModelServerConfig())
    paths = {entry.name: entry.base_path for entry in config.model_config_list.config}
    assert paths == {name: f"/models/{name}" for name in ("films", 'it\'s, "so"')}
    batching = text_format.Parse(
        (inside / binary.BATCHING).read_text(), messages("BatchingParameters")()
    )
    assert batching.max_batch_size.value == 37
    assert "prometheus_config" in (inside / binary.MONITORING).read_text()
    expected = binary.flags(config, options, "/tmp", 8501, 8500)
    assert done.stdout.splitlines() == expected


@pytest.fixture
def program(tmp_path, monkeypatch):
    """The program that stands in, and the folder into which it writes what it got."""
    path, folder = tmp_path / "tensorflow_model_server", tmp_path / "got"
    path.write_text(f"#!{sys.executable}\n{FAKE.read_text('utf-8')}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    folder.mkdir()
    monkeypatch.setenv("FAKE_FOLDER", str(folder))
    return path, folder


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def run(program, source, ready=lambda: None, **settings):
    port, grpc_port = free_ports(2)
    options = ServerOptions(port=port, grpc_port=grpc_port, **settings)
    code = binary.run_binary(program, lambda: binary.models_config(source), options, ready)
    return options, code


def test_the_program_gets_its_flags_and_files_and_gives_its_exit_code(program, models, monkeypatch):
    path, folder = program
    code = random.randrange(1, 120)
    monkeypatch.setenv("FAKE", f"exit {code}")
    options, ended = run(path, models, batching=BATCHING)
    assert ended == code
    arguments = json.loads((folder / "arguments").read_text())
    named = dict(argument.split("=", 1) for argument in arguments)
    where = str(Path(named["--model_config_file"]).parent)
    config = binary.models_config(models)
    assert arguments == binary.flags(config, options, where, options.port, options.grpc_port)
    got = text_format.Parse((folder / "model_config_file").read_text(), ModelServerConfig())
    assert str(got) == str(config)
    assert (folder / "batching_parameters_file").read_text() == binary.batching_text(BATCHING)
    assert not Path(where).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_are_passed_on_once_all_models_are_there(program, models, monkeypatch, number):
    path, folder = program
    monkeypatch.setenv("FAKE", "catch 7")
    before = signal.getsignal(number)
    asked = []

    def ready():
        asked.extend((folder / "asked").read_text().splitlines())
        os.kill(os.getpid(), number)

    _, code = run(path, models, ready)
    assert code == 7
    assert (folder / "signals").read_text() == f"{number.name}\n"
    names = ("films", "it%27s%2C%20%22so%22")
    assert sorted(asked) == sorted(f"/v1/models/{name}" for name in names)
    assert signal.getsignal(number) is before


def test_a_program_that_a_signal_ends_gives_the_code_that_a_shell_gives(program, models):
    path, _ = program
    _, code = run(path, models, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert code == 128 + signal.SIGTERM


def test_the_program_is_told_of_models_that_come_later(program, models, monkeypatch, tmp_path):
    path, _ = program
    monkeypatch.setenv("FAKE", "await later")
    _, code = run(
        path, models, lambda: (tmp_path / "base/later/1").mkdir(parents=True), poll_seconds=0.05
    )  # fmt: skip
    assert code == 0


def test_an_error_while_it_runs_ends_the_program(program, models):
    path, folder = program

    def fail():
        raise RuntimeError("not ready after all")

    with pytest.raises(RuntimeError, match="not ready"):
        run(path, models, fail)
    port = json.loads((folder / "arguments").read_text())[1].split("=")[1]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", int(port)))


def test_a_program_that_cant_be_run_is_named(tmp_path, models):
    broken = tmp_path / "tensorflow_model_server"
    broken.write_text("no program")
    with pytest.raises(ConfigError, match="tensorflow_model_server: can't be run: "):
        run(broken, models)


def test_a_system_without_sighup_passes_the_other_signals_on(monkeypatch):
    monkeypatch.delattr(signal, "SIGHUP", raising=False)  # as on Windows
    there = runpy.run_path(binary.__file__)
    assert there["_PASSED_ON"] == (signal.SIGTERM, signal.SIGINT)
