"""What the documentation shows works: every command and every Python block is run, with small limits.

Blocks of a page run in order, in a folder of their own that holds sample files. Servers and supervised agents run in
the background until the page ends. What is not run says why in the page, with one of the reasons in `NOT_RUN`.
A command that loads a model and depends on no file runs once: the next page that shows it is given the files it wrote.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.blocks import ROOT, Block, blocks, commands, pages

NOT_RUN = {
    "key": "needs a key for a hosted model",
    "network": "downloads a model",
    "data": "needs a data set, a checkpoint or a run of the reader's",
    "long": "takes minutes, and is run by a test of its own at a small size",
    "installs": "installs packages",
    "a server of yours": "talks to a server of the reader's",
    "a server's address and a model of yours": "talks to a server of the reader's",
    "an agent of yours": "starts an agent of the reader's",
    "service": "talks to a service of the reader's",
    "servers of yours": "talks to servers of the reader's",
    "a database of yours": "needs a database of the reader's",
    "excerpt": "a part of a larger file",
}
LIMITS = {
    "adhere audit": "--per-skill 1 --limit 2",
    "adhere audit --certify": "--budget 4",
    "adhere audit --through-gateway": "--per-skill 1 --limit 1",
    "adhere sustain": "--limit 2 --no-attention",
    "adhere corrigibility": "--limit 1 --real 0",
    "adhere corrigibility --tier authority --through-gateway": "--limit 1",
    "adhere train domain": "--steps 1 --problems 1 --max-tokens 8",
    "adhere train sft": "--steps 1",
    "adhere agents": "--tasks 1 --sizes 3",
    "adhere explain": "--skills toxicity,json --samples 48 --again 6 --processes 1 --positions prompt,eos --layers 0,3",
}
"""Options that are added to a command that begins so; the longest beginning counts."""
BACKGROUND = ("adhere serve", "adhere pocket serve", "adhere warden run")
READY = {"adhere serve": "serving http", "adhere pocket serve": "http://", "adhere warden run": "runs, contained"}
SLOW = re.compile(
    r"^adhere (agents|audit|sustain|corrigibility|explain|pocket|modular|train|serve(?! .*--new-key))"
    r"|from transformers|open_model"
)
"""Commands that load a model; pages that hold one are slow."""


def runnable(page: Path) -> list[Block]:
    return [one for one in blocks(page) if one.reason is None and (one.title or one.language in ("sh", "python"))]


def _parameter(page: Path) -> object:
    name = page.relative_to(ROOT).as_posix()
    slow = any(
        one.slow or any(SLOW.search(line) for line in one.text.splitlines()) for one in runnable(page) if not one.title
    )
    return pytest.param(page, id=name, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize("page", [_parameter(page) for page in pages() if runnable(page)])
def test_what_a_page_shows_works(page: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with Reader(tmp_path, Outputs(tmp_path_factory.getbasetemp().parent / "documented-commands")) as reader:
        for block in runnable(page):
            reader.follow(block)


def test_what_is_not_run_says_why_in_a_known_word() -> None:
    unknown = [
        f"{one.page.relative_to(ROOT)}:{one.line}: {one.reason}"
        for page in pages()
        for one in blocks(page)
        if one.reason is not None and one.reason not in NOT_RUN
    ]
    assert not unknown


def test_no_fewer_commands_of_the_documentation_are_run_than_before() -> None:
    count: Counter[str] = Counter()
    for page in pages():
        for one in blocks(page):
            if one.language == "sh":
                count[one.reason or "run"] += len(commands(one))
    print(dict(count))
    assert count["run"] >= 70


class Outputs:
    """What slow commands wrote, for other pages that show the same command; kept in `folder` until the tests end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def restore(self, command: str, to: Path) -> bool:
        """Put the files that `command` wrote into `to`; False where it has to be run."""
        saved = self._place(command)
        if not saved.exists() or _names_a_file(command, to):
            return False
        shutil.copytree(saved, to, dirs_exist_ok=True)
        return True

    def save(self, command: str, source: Path, before: set[Path]) -> None:
        """Keep what `command` wrote: the files of `source` that were not there `before`."""
        saved = self._place(command)
        if not SLOW.search(command) or _names_a_file(command, source, before) or saved.exists():
            return
        part = saved.with_name(f"{saved.name}.{os.getpid()}")
        part.mkdir(parents=True)
        for path in _files(source) - before:
            copy = part / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        with contextlib.suppress(OSError):  # the other worker was first
            part.rename(saved)

    def _place(self, command: str) -> Path:
        return self._folder / hashlib.sha256(command.encode()).hexdigest()


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _names_a_file(command: str, folder: Path, files: set[Path] | None = None) -> bool:
    """Whether an argument of `command` is an entry of `folder`, or `command` is more than one plain command."""
    files = _files(folder) if files is None else files
    names = {path.relative_to(folder).parts[0] for path in files}
    words = shlex.split(command)
    return any(mark in command for mark in "|<>&;*") or any(word.split("/")[0] in names for word in words)


class Reader:
    """Somebody who types what a page shows, in a scratch folder that holds the files which pages speak of."""

    def __init__(self, folder: Path, outputs: Outputs) -> None:
        self._folder = folder
        self._outputs = outputs
        self._running: list[subprocess.Popen[str]] = []
        self._ports: dict[int, int] = {}
        self._python = ""
        samples = ROOT / "src" / "adhere" / "samples"
        (folder / "responses").mkdir()
        for name, sample in {
            "responses.jsonl": "careful",
            "careful.jsonl": "careful",
            "hasty.jsonl": "hasty",
            "before.jsonl": "hasty",
            "after.jsonl": "careful",
            "one.jsonl": "careful",
            "other.jsonl": "hasty",
            "responses/a.jsonl": "careful",
            "responses/b.jsonl": "hasty",
        }.items():
            shutil.copy(samples / f"{sample}.jsonl", folder / name)
        (folder / "my_agent.py").write_text("import time\n\ntime.sleep(60)\n", encoding="utf-8")
        bin_ = folder / ".bin"
        bin_.mkdir()
        for name, arguments in {"adhere": "-m adhere", "python": ""}.items():
            (bin_ / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {arguments} "$@"\n')
            (bin_ / name).chmod(0o755)
        self._environment = {
            **os.environ,
            "PATH": f"{bin_}:{os.environ['PATH']}",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "src")]),
            "OMP_NUM_THREADS": "1",
            "XDG_DATA_HOME": str(folder / ".home" / "data"),
            "XDG_STATE_HOME": str(folder / ".home" / "state"),
            "TERM": "dumb",
        }

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.terminate()
        for process in self._running:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()

    def follow(self, block: Block) -> None:
        """Write the block's file, or run it."""
        if block.title:
            (self._folder / block.title).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            self._python += block.text
            self._run([sys.executable, "-c", block.text], block, block.text)
        else:
            for command in commands(block):
                self._command(command, block)

    def _command(self, command: str, block: Block) -> None:
        begun = next((start for start in BACKGROUND if command.startswith(start)), None)
        if begun and "--new-key" not in command:
            self._start(command, begun, block)
            return
        for shown, real in self._ports.items():
            command = command.replace(f"localhost:{shown}", f"localhost:{real}")
        fitting = [start for start in LIMITS if command.startswith(start)]
        if fitting:
            command += f" {LIMITS[max(fitting, key=len)]}"
        if self._outputs.restore(command, self._folder):
            return
        before = _files(self._folder)
        self._run(["bash", "-c", command], block, command)
        self._outputs.save(command, self._folder, before)

    def _run(self, arguments: list[str], block: Block, shown: str) -> None:
        done = subprocess.run(
            arguments, cwd=self._folder, env=self._environment, capture_output=True, text=True, timeout=600
        )
        where = f"{block.page.relative_to(ROOT)}:{block.line}"
        assert done.returncode == 0, f"{where}\n{shown}\nexit code {done.returncode}\n{done.stdout}\n{done.stderr}"

    def _start(self, command: str, begun: str, block: Block) -> None:
        where = f"{block.page.relative_to(ROOT)}:{block.line}"
        free = 0
        if begun != "adhere warden run":
            shown = int(match[1]) if (match := re.search(r"--port (\d+)", command)) else 8100
            self._ports[shown] = free = _free_port()
            command = re.sub(r" --port \d+", "", command) + f" --port {free}"
        log = self._folder / f".log{len(self._running)}"
        with log.open("w") as out:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"],
                cwd=self._folder,
                env=self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._running.append(process)
        for said in _lines(log, process):
            if READY[begun] in said and (begun == "adhere warden run" or _answers(free)):
                return
        raise AssertionError(f"{where}\n{command}\ndid not start:\n{log.read_text()}")


def _lines(log: Path, process: subprocess.Popen[str], seconds: float = 120) -> Iterator[str]:
    """What `log` holds so far, again and again while the process lives."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        yield log.read_text(encoding="utf-8", errors="replace")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
