"""Sockets: how a supervised agent asks, and how the supervisor is woken.

Rules
- One JSON object a line, in and out; a line above `LINE` bytes, or one that cannot be read, closes the connection.
- The agent's socket takes `decide` and `finish`, and nothing else: no word on it stops, resumes, instructs or approves.
- What fails is answered by a denial; an agent never reads a fault as a permission.
- What an agent says about the origin of its act can lower it and never raise it above MODEL.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adhere.warden.acts.acts import Act, Decision, Verdict
from adhere.warden.acts.sources import Source
from adhere.warden.canonical import Refused
from adhere.warden.engine.warden import Warden

SOCKET = "ADHERE_WARDEN"
"""Environment variable in which a supervised agent finds its socket."""
ADMIN = "admin.sock"
LINE = 1 << 20
CONNECTIONS = 64

Handler = Callable[[dict[str, Any]], dict[str, Any]]


class Server:
    """A socket at `path` (mode `mode`) that answers every line with `handler`, a thread for each connection.

    Raises:
        Refused: the socket cannot be made.
    """

    def __init__(self, path: Path, handler: Handler, *, mode: int) -> None:
        self.path, self.handler = path, handler
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._inode = 0
        try:
            path.unlink(missing_ok=True)
            at_path(self._listener.bind, path)
            os.chmod(path, mode)
            self._listener.listen(16)
            self._inode = path.stat().st_ino
        except OSError as error:
            self._listener.close()
            raise Refused("socket", f"cannot listen at {path}: {error.strerror}") from error
        threading.Thread(target=self._accept, daemon=True, name=f"adhere {path.name}").start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._slots.acquire()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rwb") as file:
                while line := file.readline(LINE + 1):
                    if len(line) > LINE:
                        return
                    file.write(json.dumps(self._answer(line)).encode() + b"\n")
                    file.flush()
        except (OSError, ValueError):
            pass
        finally:
            self._slots.release()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            word = json.loads(line)
            if not isinstance(word, dict):
                raise ValueError("not an object")
            return self.handler(word)
        except Refused as error:
            return denied(error.reason, str(error))
        except Exception as error:  # an agent must never read a fault of ours as anything but no
            return denied("unreadable", f"{type(error).__name__}: {error}"[:300])

    def close(self) -> None:
        """Stop listening and remove the socket, if it is still this one."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with contextlib.suppress(OSError):
            if self.path.stat().st_ino == self._inode:
                self.path.unlink()


def at_path(act: Callable[[str], None], path: Path) -> None:
    """Bind or connect to a socket whose path may be longer than the kernel takes."""
    text = str(path)
    if len(os.fsencode(text)) < 100:
        act(text)
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        act(f"/proc/self/fd/{folder}/{path.name}")
    finally:
        os.close(folder)


def denied(reason: str, text: str) -> dict[str, Any]:
    """The answer where something broke."""
    return {"verdict": "deny", "allowed": False, "failed": True, "reason": reason, "text": text}


def spoken(decision: Decision) -> dict[str, Any]:
    """A decision as it goes over the line."""
    act = decision.act
    return {
        "verdict": decision.verdict.name.lower(),
        "allowed": decision.allowed,
        "failed": decision.failed,
        "retry": decision.retry,
        "reason": decision.reason,
        "text": decision.text,
        "request": decision.approval,
        "entry": decision.seq,
        "act": act.id if act else "",
        "arguments": dict(act.arguments) if act and decision.verdict is Verdict.TRANSFORM else None,
    }


def handle_agent(warden: Warden, word: dict[str, Any]) -> dict[str, Any]:
    """What a supervised agent may say."""
    what = word.get("do")
    if what == "decide":
        act = Act(
            word["tool"],
            word.get("arguments", {}),
            str(word.get("because", "")),
            (*word["sources"], Source.MODEL) if word.get("sources") else (),
            str(word.get("id", "")),
        )
        return spoken(warden.decide(act))
    if what == "finish":
        done = Decision(Verdict.ALLOW, "", act=Act("finished", id=str(word["act"])))
        return {"entry": warden.finished(done, str(word.get("outcome", "done")), word.get("evidence"))}
    if what == "orders":
        return {"text": warden.orders_text()}
    return denied("unreadable", "an agent may say decide, finish and orders")
