"""The files of configs/serving name options, folders and addresses that exist. Docker isn't run."""

import re
import tomllib
from pathlib import Path

import yaml

from seqtasks.cli.serve import serve
from seqtasks.serving.config_files import METRICS_PATH, read_monitoring
from seqtasks.serving.models.model_config import read_model_config

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "configs/serving"
COMPOSE = yaml.safe_load((FOLDER / "compose.yml").read_text("utf-8"))
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")


def instructions(name):
    lines = re.sub(r"\\\n", " ", DOCKERFILE).splitlines()
    return [line.removeprefix(f"{name} ") for line in lines if line.startswith(f"{name} ")]


def test_the_image_s_command_is_one_that_serve_takes():
    (entry,) = map(yaml.safe_load, instructions("ENTRYPOINT"))
    assert entry[:2] == ["seqtasks", "serve"]
    given = serve.make_context("serve", entry[2:]).params
    assert given["embedded"]
    assert (given["host"], given["model_base"]) == ("0.0.0.0", Path("/models"))
    assert given["poll_seconds"] == 1.0  # without models it waits for them
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    (user,) = instructions("USER")
    assert user != "root"
    assert "/readyz" in instructions("HEALTHCHECK")[0]


def test_the_image_has_what_the_package_is_built_from():
    copied = {name for line in instructions("COPY") for name in line.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert {"pyproject.toml", "seqtasks", project["readme"]} <= copied
    (base,) = instructions("FROM")
    minor = int(re.fullmatch(r"python:3\.(\d+)-slim", base)[1])
    least, most = map(int, re.findall(r"3\.(\d+)", project["requires-python"]))
    assert least <= minor < most


def test_the_services_mount_what_there_is_and_are_found_by_prometheus():
    services = COMPOSE["services"]
    build = services["embedded"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    for service in services.values():
        for volume in service.get("volumes", ()):
            source, target, mode = volume.split(":")
            assert (FOLDER / source).resolve().is_dir()
            assert (target in ("/models", "/config"), mode) == (True, "ro")
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    for service in services.values():
        for name in re.findall(r"/config/(\S+)", " ".join(service.get("command", ()))):
            assert (FOLDER / name).is_file()
    (job,) = yaml.safe_load((FOLDER / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert job["metrics_path"] == METRICS_PATH
    assert job["static_configs"] == [{"targets": ["server:8501"]}]
    for name in ("embedded", "tensorflow"):
        assert services[name]["networks"]["default"]["aliases"] == ["server"]
        assert set(services[name]["profiles"]) <= set(services["prometheus"]["profiles"])


def test_both_servers_read_the_configuration_files():
    assert read_monitoring(FOLDER / "monitoring.config") == METRICS_PATH
    (model,) = read_model_config(FOLDER / "models.config")
    assert model.labels == {"stable": 1, "canary": 2}
    assert model.base_path.parent == Path("/models")
    assert set(model.labels.values()) <= model.policy.specific
