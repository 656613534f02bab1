"""Run every command in a process in which some modules cannot be imported, and say what became of it.

    python without.py module,module ...     one child process for each set; a JSON line for each command

The parent loads what is installed and costs time, once; a child drops what is to be missing and hides it.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import socket
import sys
import tempfile
import traceback

HEAVY = ("torch", "transformers", "sklearn", "scipy.stats", "inspect_ai", "starlette.applications", "matplotlib.figure")


class Hidden:
    """An import hook that refuses some modules."""

    def __init__(self, modules: set[str]) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        del path, target
        if name.partition(".")[0] in self.modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def commands(port: int) -> list[list[str]]:
    """A call of every command that needs more than the core, made to fail soon where nothing is missing."""
    return [
        ["audit", "./nowhere", "--limit", "1"],
        ["audit", "mockllm/model", "--set", "own", "--data", "nowhere.jsonl", "--limit", "1", "--out", "run"],
        ["sustain", "./nowhere", "--limit", "1"],
        ["corrigibility", "./nowhere", "--tiers", "stated", "--limit", "1"],
        ["explain", "./nowhere"],
        ["compare", "a.eval", "b.eval"],
        ["score", "answers.jsonl", "--report", "page.html"],
        ["modular", "classify", "nowhere.safetensors"],
        ["modular", "train", "--alpha", "0", "--operation", "none"],
        ["pocket", "train", "--out", "run", "--size", "none"],
        ["pocket", "evaluate", "--model", "nowhere"],
        ["pocket", "sample", "--model", "nowhere"],
        ["pocket", "serve", "./nowhere"],
        ["serve", "--upstream", "pocket", "--port", str(port)],
        ["serve", "--upstream", "http://127.0.0.1:9/v1", "--port", str(port)],
        ["serve", "--upstream", "http://127.0.0.1:9/v1", "--policy", "nowhere.yaml"],
        ["monitor", "train", "nowhere", "--out", "x.npz"],
        ["warden", "key", "new", "someone"],
        ["warden", "status"],
        ["warden", "charter", "show"],
        ["warden", "mcp", "--", "true"],
        ["constraints", "words"],
        ["models"],
    ]


def run(args: list[str]) -> dict[str, object]:
    """One command: its exit code, and what it printed to standard error."""
    from adhere.cli import run as command

    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code: object = command(args)
        except SystemExit as ended:
            code = ended.code
        except BaseException:
            code, _ = "traceback", traceback.print_exc(file=err)
    return {"command": " ".join(args), "code": code, "error": err.getvalue()}


def child(modules: set[str], port: int) -> None:
    for name in list(sys.modules):
        if name.partition(".")[0] in modules:
            del sys.modules[name]
    sys.meta_path.insert(0, Hidden(modules))  # type: ignore[arg-type]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["XDG_DATA_HOME"] = folder
        with open("answers.jsonl", "w") as file:
            file.write('{"prompt": "p", "response": "r", "constraints": [{"kind": "length.words", "at_most": 5}]}\n')
        for args in commands(port):
            print(json.dumps({"hidden": sorted(modules), **run(args)}), flush=True)


def main() -> None:
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    taken = socket.create_server(("127.0.0.1", 0))
    for words in sys.argv[1:]:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            child(set(filter(None, words.split(","))), taken.getsockname()[1])
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
