"""What a supervised agent speaks to its warden with. Standard library only; a dozen lines in any other language.

    from adhere.warden.integrations.client import Client

    with Client() as warden:
        answer = warden.decide("send_email", {"to": "..."}, because="...", sources=["user"])
        if answer["allowed"]:
            ...
            warden.finish(answer)

One JSON object a line over the Unix socket named in ADHERE_WARDEN: {"do": "decide", "tool": ..., "arguments": ...,
"because": ..., "sources": [...], "id": ...} and {"do": "finish", "act": ..., "outcome": "done" | "failed" | "unknown"}.
Where the line is dead the answer is a denial.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

_DEAD = {"verdict": "deny", "allowed": False, "failed": True, "reason": "down", "text": "the warden does not answer"}


class Client:
    """A line to the warden; by default the one that supervises this process."""

    def __init__(self, path: str = "", seconds: float = 60.0) -> None:
        self.path, self.seconds = path or os.environ.get("ADHERE_WARDEN", ""), seconds
        self._file: Any = None
        self._line: socket.socket | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        if self._line is not None:
            self._line.close()
            self._file = self._line = None

    def ask(self, **word: Any) -> dict[str, Any]:
        """One word and its answer; a denial where the line is dead."""
        try:
            if self._line is None:
                line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                line.settimeout(self.seconds)
                line.connect(self.path)
                self._line, self._file = line, line.makefile("rwb")
            self._file.write(json.dumps(word).encode() + b"\n")
            self._file.flush()
            answer = json.loads(self._file.readline())
            return answer if isinstance(answer, dict) else dict(_DEAD)
        except (OSError, ValueError, TypeError):
            self.close()
            return dict(_DEAD)

    def decide(
        self, tool: str, arguments: dict[str, Any] | None = None, *, because: str = "", sources: Any = (), id: str = ""
    ) -> dict[str, Any]:
        """Ask whether an act may be performed; perform it only if `allowed`."""
        return self.ask(
            do="decide", tool=tool, arguments=arguments or {}, because=because, sources=list(sources), id=id
        )

    def finish(self, answer: dict[str, Any], outcome: str = "done", evidence: Any = None) -> dict[str, Any]:
        """Say how an allowed act went."""
        return self.ask(do="finish", act=answer.get("act", ""), outcome=outcome, evidence=evidence)

    def orders(self) -> str:
        """The standing orders with what is in force, for a system prompt."""
        return str(self.ask(do="orders").get("text", ""))
