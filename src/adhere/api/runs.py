"""What all runs share: where they live, and the command that makes them again."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from adhere.core.errors import UserError


class Interrupted(KeyboardInterrupt):
    """An interruption of a run that can be carried on: `folder` holds what was done."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"interrupted; what was done is in {folder}")
        self.folder = folder


@contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """An interruption within names the folder of the run.

    Raises:
        Interrupted: the run was interrupted.
        UserError: the folder holds a run of another user.
    """
    refuse_foreign(folder)
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted(folder) from error


def refuse_foreign(folder: Path) -> None:
    """A run carries on from what its folder holds, so what another user put there is not ours to believe.

    Raises:
        UserError: the folder, or the link that leads to it, belongs to another user and is not empty.
    """
    if not hasattr(os, "geteuid"):
        return
    try:
        owners = {folder.lstat().st_uid, folder.stat().st_uid}
        foreign = owners != {os.geteuid()} and any(folder.iterdir())
    except OSError:  # not there yet, or not to be read: whoever writes to it says so
        return
    if foreign:
        raise UserError(f"{folder} holds a run of another user: give a folder of your own with --out")


def folder_of(model: str, plan: object, kind: str = "") -> Path:
    """The run's folder under `runs/`: the same plan on the same day finds it again, another plan gets its own.

    Args:
        model: a name, a hub id or a path.
        plan: what is asked for; its `repr` tells plans apart.
        kind: of the run; empty for an audit.
    """
    name = model.strip("./").replace("/", "-").replace(" ", "-") or "model"
    digest = hashlib.sha256(repr(plan).encode()).hexdigest()[:6]
    return Path("runs") / "-".join(filter(None, (date.today().isoformat(), kind, name, digest)))


def command_of(name: str, arguments: tuple[object, ...], options: Mapping[str, Any]) -> str:
    """The command line of a use case that a program called.

    Args:
        name: of the command.
        arguments: its positional arguments.
        options: by name, as Python spells them; those that are None, False or empty are left out.
    """
    words = ["adhere", name, *map(str, arguments)]
    for option, value in options.items():
        flag = f"--{option.replace('_', '-')}"
        if value is True:
            words.append(flag)
        elif isinstance(value, (tuple, list)):
            words += [flag, ",".join(map(str, value))] if value else []
        elif value is not None and value is not False:
            words += [flag, str(value)]
    return shlex.join(words)
