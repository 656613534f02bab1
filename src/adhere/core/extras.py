"""Optional dependencies: which extra installs which module, and the one line that says so.

Rules:

- `EXTRAS` is the only table. A test compares it with `pyproject.toml`.
- Code imports an optional module where it needs it and does not catch the error. The command line, and every use case
  in `adhere.api`, runs inside `naming_extras()`, which turns the error into a `MissingExtra`.
- `require("module")` fails early: before a child process is started, or before work that would be lost.
- A module of the standard library that Windows lacks (`UNIX`) is named in one line, too.
- A module that no extra brings is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adhere.core.errors import UserError

EXTRAS: Mapping[str, str] = {
    "inspect_ai": "measure",
    "jinja2": "measure",
    "matplotlib": "measure",
    "math_verify": "measure",
    "latex2sympy2_extended": "measure",
    "sympy": "measure",
    "vaderSentiment": "measure",
    "safetensors": "explain",
    "sklearn": "explain",
    "tokenizers": "explain",
    "torch": "explain",
    "transformers": "explain",
    "accelerate": "gguf",
    "gguf": "gguf",
    "xllamacpp": "llamacpp",
    "pyarrow": "files",
    "zstandard": "files",
    "aiohttp": "enforce",
    "cryptography": "enforce",
    "prometheus_client": "enforce",
    "securesystemslib": "enforce",
    "starlette": "enforce",
    "tenacity": "enforce",
    "tuf": "enforce",
    "uvicorn": "enforce",
    "yaml": "enforce",
    "cedarpy": "policy",
    "psycopg": "postgres",
    "icu4py": "languages",
    "llguidance": "grammar",
    "mcp": "mcp",
    "opentelemetry": "otel",
    "datasets": "train",
    "peft": "train",
    "trl": "train",
    "ray": "ray",
}
"""The extra of `adhere` that installs each optional module."""

PACKAGES: Mapping[str, str] = {
    "openai": "openai",
    "anthropic": "anthropic",
    "pandas": "pandas",
    "langfuse": "langfuse",
    "mlflow": "mlflow-skinny",
    "wandb": "wandb",
    "dspy": "dspy",
    "deepeval": "deepeval",
    "opentelemetry.exporter": "opentelemetry-exporter-otlp-proto-http",
}
"""Optional modules that no extra installs, and the package to install instead."""


UNIX = frozenset(("fcntl", "grp", "pty", "pwd", "resource", "termios"))
"""Modules of the standard library that Windows does not have. What contains processes and runs programs needs them."""


class MissingExtra(UserError):
    """An optional module is not installed. The line names the extra and the command that installs it."""


def install_line(module: str) -> str | None:
    """What to do about a missing `module`, in one line; None where no extra and no known package brings it."""
    name = module.partition(".")[0]
    if name in UNIX:
        return f"this needs Linux or macOS: Python has no module {name} on this system"
    if name in EXTRAS:
        extra = EXTRAS[name]
        return f'{name} is not installed; it is part of the extra "{extra}": pip install "adhere[{extra}]"'
    if name in PACKAGES:
        return f"{name} is not installed: pip install {PACKAGES[name]}"
    return None


@contextmanager
def naming_extras() -> Iterator[None]:
    """Turn the import error of an optional module into a `MissingExtra`.

    Raises:
        MissingExtra: an optional module is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        line = next(filter(None, map(install_line, _missing(error))), None)
        if line is None:
            raise
        raise MissingExtra(line) from error


def _missing(error: BaseException | None) -> Iterator[str]:
    """The modules that an import error and its causes name: packages that import late wrap the one that says which."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name:
            yield error.name
        error = error.__cause__ or error.__context__


def require(*modules: str) -> None:
    """Fail early where one of `modules` is not installed; nothing is imported.

    Raises:
        MissingExtra: the first that is missing.
    """
    for module in modules:
        try:
            present = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:
            present = False
        if not present:
            raise MissingExtra(install_line(module) or f"{module} is not installed")
