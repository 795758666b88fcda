"""The files of deploy/ hold what they promise; checked by the tools' own linters where they are installed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.patience import PATIENCE_S
from tests.scenarios.company import command

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
UNIT = (DEPLOY / "segsync.service").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def tool(name: str, *words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a linter; skip if this machine does not have it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed here; install it to have deploy/ checked by it, too")
    return subprocess.run([path, *words], capture_output=True, text=True, timeout=PATIENCE_S, **more)


def test_hadolint_has_nothing_to_say() -> None:
    done = tool("hadolint", "--failure-threshold", "info", str(DEPLOY / "Dockerfile"))
    assert done.returncode == 0, done.stdout


def test_compose_accepts_its_file(tmp_path: Path) -> None:
    if tool("docker", "compose", "version").returncode:
        pytest.skip("docker has no compose plugin here")
    done = tool("docker", "compose", "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet")
    assert done.returncode == 0, done.stderr


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    copy = tmp_path / "segsync.service"  # the program's path is checked too: take one that is there
    copy.write_text(UNIT.replace("/opt/segsync/bin/segsync", sys.executable), encoding="utf-8")
    done = tool("systemd-analyze", "verify", "--man=no", str(copy))
    ours = [line for line in done.stderr.splitlines() if "segsync" in line]
    assert ours == [], done.stderr


def test_the_unit_gives_the_service_no_more_than_it_needs(tmp_path: Path) -> None:
    wanted = (
        "NoNewPrivileges=true",
        "ProtectSystem=strict",
        "UMask=0077",
        "User=segsync",
        "CapabilityBoundingSet=",
    )
    assert [line for line in wanted if line not in UNIT.splitlines()] == []


def test_images_are_pinned_and_nothing_runs_as_root() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    bases += [service["image"] for service in COMPOSE["services"].values()]
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+(\.\d+)?(-[a-z-]+)?", base) for base in bases), bases
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\S+)", last, re.MULTILINE) == ["10001:10001"]
    assert COMPOSE["services"]["segsync"]["user"] == "10001:10001"
    assert "--constraint constraints.txt" in DOCKERFILE


def test_no_secret_is_written_into_the_files() -> None:
    assert not re.search(r"^(ARG|ENV) .*(KEY|TOKEN|PASSWORD|SECRET)", DOCKERFILE, re.MULTILINE)
    for name, service in COMPOSE["services"].items():
        for key in service.get("environment", {}):
            assert "PASSWORD" not in key or key.endswith("_FILE"), f"{name}: {key}"
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())


def test_containers_can_write_nowhere_but_into_their_volumes() -> None:
    for service in COMPOSE["services"].values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for volume in service["volumes"]:
            source, *_ = volume.split(":")
            assert source in COMPOSE["volumes"] or volume.endswith(":ro"), volume
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_what_is_copied_into_the_image_is_there() -> None:
    build = DOCKERFILE.partition("\nFROM ")[0]
    for line in re.findall(r"^COPY (?!--from)(.+)$", build, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert COMPOSE["services"]["segsync"]["image"] == f"segsync:{version}"


def test_the_commands_that_start_the_service_exist() -> None:
    text = command("serve", "--help").out
    started = [*re.findall(r'CMD \["serve"(.*)\]', DOCKERFILE), *re.findall(r" serve (.*)", UNIT)]
    assert len(started) == 2
    for words in started:
        for option in re.findall(r"--[a-z]+", words):
            assert option in text, option
    assert "/healthz" in (ROOT / "sync" / "serve" / "http.py").read_text(encoding="utf-8")
    assert str(COMPOSE["services"]["segsync"]["healthcheck"]["test"]).count("/healthz") == 1


def test_the_config_that_the_readme_shows_is_a_config(tmp_path: Path) -> None:
    from sync.config import load

    shown = re.findall(r"```toml\n(.*?)```", (DEPLOY / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "config.toml").write_text(shown[0], encoding="utf-8")
    settings = load(tmp_path / "config.toml")
    mounts = [volume.split(":")[1] for volume in COMPOSE["services"]["segsync"]["volumes"]]
    assert str(settings.rules_dir) in mounts
    assert any(settings.store.lake.startswith(f"{mount}/") for mount in mounts)
