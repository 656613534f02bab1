"""Findings as tracking tools take them: one module for each tool, imported when it is asked for.

export(["findings.json"], to="mlflow", name="nightly")
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

from adhere.core import findings as records
from adhere.core.errors import UserError
from adhere.core.extras import naming_extras

TARGETS = ("csv", "langfuse", "mlflow", "otel", "wandb")


def export(files: Iterable[str | os.PathLike[str]], to: str, *, name: str = "adhere", out: str | None = None) -> str:
    """Send the findings of `files` to a tool.

    Args:
        files: what `--json` wrote.
        to: one of `TARGETS`.
        name: of the run, or of the experiment.
        out: for csv, the file to write.

    Returns:
        One line that says where they are.

    Raises:
        UserError: a file holds no findings, there is no such target, or the tool refused.
        MissingExtra: the tool's package is not installed.
    """
    if to not in TARGETS:
        raise UserError(f"cannot export to {to!r}; there are: {', '.join(TARGETS)}")
    paths = [Path(file) for file in files]
    findings = [finding for path in paths for finding in records.read(path)]
    if not findings:
        raise UserError("no findings in " + ", ".join(map(str, paths)))
    with naming_extras():
        send: Callable[..., str] = import_module(f"adhere.api.exports.to_{to}").send
        return send(findings, paths, name=name, out=out)
