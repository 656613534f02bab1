"""What is installed is what was locked: the same versions everywhere, and a hash for every file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def versions(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    pins = re.finditer(r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", pin[1]).lower(): pin[2] for pin in pins}


@pytest.mark.parametrize("name", ["requirements-hashes.txt", "requirements-gateway.txt"])
def test_hashes_are_of_the_locked_versions(name: str) -> None:
    locked, hashed = versions("requirements-lock.txt"), versions(name)
    assert {package: version for package, version in hashed.items() if locked.get(package, version) != version} == {}
    assert len(hashed) > 20


def test_every_locked_package_has_a_hash() -> None:
    assert set(versions("requirements-lock.txt")) <= set(versions("requirements-hashes.txt"))


@pytest.mark.parametrize("name", ["requirements-hashes.txt", "requirements-gateway.txt"])
def test_no_file_is_accepted_without_a_hash_or_from_elsewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.split(r"^(?=[\w.-]+(?:\[[^\]]*\])?==)", text, flags=re.MULTILINE)[1:]
    assert [block.split("==")[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text


def test_the_image_installs_by_hash() -> None:
    docker = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements-gateway.txt" in docker
    assert "requirements-gateway.txt" in (ROOT / ".dockerignore").read_text(encoding="utf-8")
