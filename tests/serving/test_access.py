"""Who may call a server: tokens, names, certificates, and what a client may have it serve."""

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import subprocess

import grpc
import pytest
import tensorflow as tf
from click.testing import CliRunner
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from seqtasks.cli import main
from seqtasks.clients.client import Access
from seqtasks.clients.connect import connect
from seqtasks.errors import ConfigError, ServingError
from seqtasks.serving import grpc_server, http_server
from seqtasks.serving.access import check_host, check_token, is_loopback
from seqtasks.serving.config_files import Tls, read_monitoring, read_tls
from seqtasks.serving.grpc_server import GrpcOptions, GrpcServer
from seqtasks.serving.http_app import RestOptions, make_app
from seqtasks.serving.http_server import HttpOptions, HttpServer
from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.models.model_config import ModelSettings
from seqtasks.serving.status import Code, StatusError

TOKEN = "s3cret-token"


@pytest.fixture(autouse=True, scope="module")
def ending_soon():
    """Let servers end at once, since nobody calls them any more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpc_server, "_QUIET_SECONDS", 0.01)
        patch.setattr(http_server, "_ARRIVING_SECONDS", 0)
        patch.setattr(http_server, "_ACCEPTING_SECONDS", 0)
        patch.setattr(http_server, "_IDLE_SECONDS", 0)
        yield


@pytest.fixture
def manager(install, load_once, tmp_path):
    install(tmp_path / "models/zoo", 1)
    settings = [ModelSettings("zoo", tmp_path / "models/zoo")]
    manager = ModelManager(settings, load_once, 60.0)
    manager.start()
    yield manager
    manager.close()


@contextlib.contextmanager
def rest(manager, tls=None, **options):
    server = HttpServer(make_app(manager, RestOptions(**options)), HttpOptions(port=0, tls=tls))
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


@contextlib.contextmanager
def rpc(manager, **options):
    server = GrpcServer(manager, GrpcOptions(port=0, **options))
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def get(port, path, headers=None, context=None):
    kind = http.client.HTTPSConnection if context else http.client.HTTPConnection
    more = {"context": context} if context else {}
    connection = kind("localhost", port, timeout=30, **more)
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()


def predicted(channel, metadata=()):
    request = PredictRequest(model_spec={"name": "zoo"})
    request.inputs["text"].CopyFrom(tf.make_tensor_proto(["abc"]))
    found = PredictionServiceStub(channel).Predict(request, timeout=30, metadata=metadata)
    return list(found.outputs["score"].float_val)


def refusal(call, *given, **named):
    with pytest.raises(grpc.RpcError) as caught:
        call(*given, **named)
    return caught.value.code().name


# --- Tokens and names ---------------------------------------------------------------------------


def test_without_the_token_nothing_is_answered_but_health(manager):
    with rest(manager, token=TOKEN) as port:
        for path in ("/v1/models/zoo", "/", "/monitoring/prometheus/metrics", "/V1/models/zoo"):
            for shown in (None, "Bearer wrong", TOKEN, "Basic " + TOKEN, "Bearer", "Bearer \xe9"):
                headers = {"Authorization": shown} if shown else {}
                status, body = get(port, path, headers)
                assert status == 401
                assert "Authorization: Bearer TOKEN" in json.loads(body)["error"]
            assert get(port, path, {"Authorization": f"bearer {TOKEN}"})[0] in (200, 404)
        assert [get(port, path)[0] for path in ("/healthz", "/readyz")] == [200, 200]
    with rpc(manager, token=TOKEN) as port, grpc.insecure_channel(f"localhost:{port}") as channel:
        assert refusal(predicted, channel) == "UNAUTHENTICATED"
        assert refusal(predicted, channel, [("authorization", "Bearer x")]) == "UNAUTHENTICATED"
        assert predicted(channel, [("authorization", f"Bearer {TOKEN}")]) == [3.0]
        reload = ModelServiceStub(channel).HandleReloadConfigRequest
        assert refusal(reload, ReloadConfigRequest(), timeout=30) == "UNAUTHENTICATED"


def test_a_page_of_another_name_gets_no_answer(manager):
    with rest(manager, hosts=("localhost", "Models.Example")) as port:
        for name in ("localhost", f"localhost:{port}", "models.example", "127.0.0.1", "[::1]:80"):
            assert get(port, "/v1/models/zoo", {"Host": name})[0] == 200
        for name in ("evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip"):
            for path in ("/v1/models/zoo", "/healthz", "/"):
                assert get(port, path, {"Host": name})[0] == 403


@pytest.mark.parametrize(("given", "is_one"), [
    ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("LOCALHOST", True),
    ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("models.example", False),
])  # fmt: skip
def test_addresses_of_this_machine_alone(given, is_one):
    assert is_loopback(given) == is_one


def test_nothing_is_checked_where_nothing_is_asked_for():
    check_host("evil.example", None)
    check_host("evil.example", ("a", "*"))
    check_host("", ("a",))  # HTTP/1.0; a browser always says it
    check_token(None, None)
    with pytest.raises(StatusError) as caught:
        check_host("b.example", ("a",))
    assert caught.value.code is Code.PERMISSION_DENIED


# --- What a client may have served --------------------------------------------------------------


def reload_request(name, folder):
    request = ReloadConfigRequest()
    request.config.model_config_list.config.add(
        name=name, base_path=str(folder), model_platform="tensorflow"
    )
    return request


def test_clients_name_folders_below_the_models_alone(manager, install, tmp_path):
    install(tmp_path / "models/other", 2)
    install(tmp_path / "secret/zoo", 3)
    (tmp_path / "models/link").symlink_to(tmp_path / "secret/zoo", target_is_directory=True)
    below = (tmp_path / "models",)
    with (
        rpc(manager, reload_below=below) as port,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        reload = ModelServiceStub(channel).HandleReloadConfigRequest
        for folder in ("secret/zoo", "models/../secret/zoo", "models/link", "."):
            request = reload_request("other", tmp_path / folder)
            assert refusal(reload, request, timeout=30) == "PERMISSION_DENIED"
        assert manager.names() == ["zoo"]
        reload(reload_request("other", f"file://{tmp_path}/models/other"), timeout=60)
        assert manager.names() == ["other"]


def test_models_are_not_changed_where_that_is_off(manager, tmp_path):
    with (
        rpc(manager, reload_below=()) as port,
        grpc.insecure_channel(f"localhost:{port}") as channel,
    ):
        reload = ModelServiceStub(channel).HandleReloadConfigRequest
        request = reload_request("zoo", tmp_path / "models/zoo")
        assert refusal(reload, request, timeout=30) == "PERMISSION_DENIED"
        assert predicted(channel) == [3.0]


# --- Certificates and socket files --------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Keys and certificates, made by openssl: of an authority, a server, a client, a stranger."""
    if not shutil.which("openssl"):
        pytest.skip("openssl isn't installed")
    folder = tmp_path_factory.mktemp("certificates")

    def run(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("authority", "stranger"):
        run(*new, "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}",
            "-days", "2")  # fmt: skip
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1")
    for name in ("server", "client"):
        run(*(word for word in new if word != "-x509"), "-keyout", f"{name}.key", "-out",
            f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "authority.pem", "-CAkey", "authority.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
            "-extfile", "names")  # fmt: skip
    return folder


def tls_of(folder, verifies, key="server"):
    texts = {"server_key": f"{key}.key", "server_cert": "server.pem", "custom_ca": "authority.pem"}
    written = [f"{name}: {json.dumps((folder / file).read_text())}" for name, file in texts.items()]
    path = folder / "ssl.config"
    path.write_text(f"{' '.join(written)} client_verify: {str(verifies).lower()}")
    return read_tls(path)


def test_a_server_s_certificate_is_one_that_clients_can_verify(manager, certificates):
    tls, authority = tls_of(certificates, False), certificates / "authority.pem"
    with rest(manager, tls) as port:
        context = ssl.create_default_context(cafile=authority)
        assert get(port, "/v1/models/zoo", context=context)[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            get(port, "/v1/models/zoo", context=ssl.create_default_context())
        with pytest.raises((http.client.HTTPException, OSError)):
            get(port, "/v1/models/zoo")
    credentials = grpc.ssl_channel_credentials(authority.read_bytes())
    with rpc(manager, tls=tls) as port:
        with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
            assert predicted(channel) == [3.0]
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            assert refusal(predicted, channel) == "UNAVAILABLE"


def test_clients_without_a_certificate_of_the_authority_are_turned_away(manager, certificates):
    tls, authority = tls_of(certificates, True), certificates / "authority.pem"

    def context(name):
        found = ssl.create_default_context(cafile=authority)
        if name:
            found.load_cert_chain(certificates / f"{name}.pem", certificates / f"{name}.key")
        return found

    def credentials(name):
        pair = [(certificates / f"{name}.{end}").read_bytes() for end in ("key", "pem")]
        return grpc.ssl_channel_credentials(authority.read_bytes(), *(pair if name else ()))

    with rest(manager, tls) as port:
        assert get(port, "/v1/models/zoo", context=context("client"))[0] == 200
        for name in (None, "stranger"):
            with pytest.raises((http.client.HTTPException, OSError)):
                get(port, "/v1/models/zoo", context=context(name))
    with rpc(manager, tls=tls) as port:
        with grpc.secure_channel(f"localhost:{port}", credentials("client")) as channel:
            assert predicted(channel) == [3.0]
        with grpc.secure_channel(f"localhost:{port}", credentials("stranger")) as channel:
            assert refusal(predicted, channel) == "UNAVAILABLE"


@pytest.mark.parametrize("scheme", ["https", "grpc"])
def test_clients_trust_an_authority_and_show_a_token(manager, certificates, scheme, monkeypatch):
    tls, authority = tls_of(certificates, False), certificates / "authority.pem"
    serving = rest if scheme == "https" else rpc
    with serving(manager, tls=tls, token=TOKEN) as port:
        url = f"{scheme}://localhost:{port}"
        with connect(url, 30, 0, Access(TOKEN, authority)) as client:
            assert client.predict_rows("zoo", ["abc"]) == [3.0]
        said = "give its token by --token or SEQTASKS_TOKEN"
        with (
            connect(url, 30, 0, Access(None, authority)) as client,
            pytest.raises(ServingError, match=said),
        ):
            client.status("zoo")
        with connect(url, 30, 0, Access(TOKEN)) as client, pytest.raises(ServingError):
            client.predict_rows("zoo", ["abc"])
        bad = certificates / "names"
        with pytest.raises(ServingError, match="names: no certificate of an authority"):
            connect(url, access=Access(None, bad))

        asked = ["client", "zoo", "abc", "--server", url, "--ca-certificate", str(authority)]
        done = CliRunner().invoke(main, [*asked, "--token", TOKEN])
        assert (done.exit_code, done.output) == (0, '{"text": "abc", "score": 3.0}\n')
        monkeypatch.setenv("SEQTASKS_TOKEN", TOKEN)
        assert CliRunner().invoke(main, asked).exit_code == 0
        for token in ("two words", ""):
            done = CliRunner().invoke(main, [*asked, "--token", token])
            assert done.exit_code == 2
            assert "--token: expected letters, digits and signs" in done.output


def test_a_token_is_not_shown():
    assert TOKEN not in repr(Access(TOKEN))


def test_a_key_that_does_not_fit_is_refused(manager, certificates):
    with pytest.raises(ConfigError, match="can't be used"):
        HttpServer(
            make_app(manager), HttpOptions(port=0, tls=tls_of(certificates, False, "client"))
        )


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="no socket files here")
def test_a_socket_file_is_answered_and_one_left_behind_is_replaced(manager, tmp_path):
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    with rpc(manager, socket_file=path), grpc.insecure_channel(f"unix:{path}") as channel:
        assert predicted(channel) == [3.0]
    path.unlink(missing_ok=True)
    path.write_text("no socket")
    with pytest.raises(ConfigError, match=f"{path}: can't listen"):
        GrpcServer(manager, GrpcOptions(port=0, socket_file=path))
    assert path.read_text() == "no socket"


# --- TF Serving's files -------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "said"), [
    ("", "server_key is no PEM"),
    ('server_key: "-----BEGIN x" server_cert: "file.pem"', "server_cert is no PEM"),
    ("server_kay: 'x'", "server_kay"),
    ("client_verify: 3", "client_verify"),
])  # fmt: skip
def test_a_configuration_of_certificates_that_is_none_is_refused(tmp_path, text, said):
    path = tmp_path / "ssl.config"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_tls(path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_secrets_are_not_shown():
    assert "KEY" not in repr(Tls(b"KEY", b"CERT"))
    assert TOKEN not in repr(RestOptions(token=TOKEN)) + repr(GrpcOptions(token=TOKEN))


@pytest.mark.parametrize(("text", "path"), [
    ("", None),
    ("prometheus_config {}", None),
    ("prometheus_config { enable: true }", "/monitoring/prometheus/metrics"),
    ('prometheus_config { enable: true path: "/m" }', "/m"),
    ('prometheus_config { path: "/m" }', None),
])  # fmt: skip
def test_metrics_are_where_the_file_says(tmp_path, text, path):
    file = tmp_path / "monitoring.config"
    file.write_text(text)
    assert read_monitoring(file) == path
    file.write_text('prometheus_config { enable: true path: "m" }')
    with pytest.raises(ConfigError, match="begins with /"):
        read_monitoring(file)


def test_metrics_may_be_elsewhere_or_off(manager):
    with rest(manager, metrics_path="/m") as port:
        assert get(port, "/m")[0] == 200
        assert get(port, "/monitoring/prometheus/metrics")[0] == 404
    with rest(manager, metrics_path=None) as port:
        assert get(port, "/monitoring/prometheus/metrics")[0] == 404
