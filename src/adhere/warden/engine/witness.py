"""Witnesses: whoever keeps the ledger's checkpoints where the ledger's keeper cannot change them.

Rules
- A rewritten ledger is consistent with itself. What shows the rewriting is a checkpoint that somebody else kept.
- Before a witness is given a new checkpoint, the ledger must contain the last one that this witness holds; if it does
  not, nothing is published and the fault is the message.
- A witness that cannot be reached is reported and recorded; it never stops the agent and never counts as agreement.

Kinds, as the charter writes them:
    file:PATH         a file elsewhere: another disk, a network share, write-once storage; checkpoints are appended
    git:FOLDER        a clone: the checkpoint is committed, and pushed where the clone has a remote
    exec:COMMAND      another process: `COMMAND publish` reads a checkpoint, `COMMAND list` prints those it holds
"""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from securesystemslib.signer import Signer

from adhere.warden.canonical import Refused
from adhere.warden.charter.keys import fingerprint
from adhere.warden.charter.quorum import person_of
from adhere.warden.engine import charter_setup
from adhere.warden.engine.warden import Warden
from adhere.warden.ledger import checkpoint, merkle
from adhere.warden.ledger.checkpoint import Checkpoint, Verifier

SEPARATOR = "\n\n\n"
SECONDS = 30.0


class Witness(Protocol):
    """Where checkpoints go. `name` is how the charter writes it."""

    name: str

    def publish(self, note: str) -> None:
        """Keep a checkpoint. May raise: then it was not kept."""
        ...

    def notes(self) -> list[str]:
        """Every checkpoint it holds, oldest first. May raise."""
        ...


def _split(text: str) -> list[str]:
    return [part.strip("\n") + "\n" for part in text.split(SEPARATOR) if part.strip()]


class FileWitness:
    """A file elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, f"file:{path}"

    def publish(self, note: str) -> None:
        """Append, on the disk when this returns."""
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(note.strip("\n") + SEPARATOR)
            file.flush()
            os.fsync(file.fileno())

    def notes(self) -> list[str]:
        """What the file holds."""
        return _split(self.path.read_text(encoding="utf-8")) if self.path.exists() else []


class GitWitness:
    """A git repository: history is the memory, a remote the other place."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"git:{folder}"

    def _git(self, *words: str) -> str:
        try:
            done = subprocess.run(
                ["git", "-C", str(self.folder), *words], capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Refused("witness", f"{self.name}: git {words[0]}: {error}") from error
        if done.returncode != 0:
            raise Refused("witness", f"{self.name}: git {words[0]}: {done.stderr.strip()[:200]}")
        return done.stdout

    def publish(self, note: str) -> None:
        """Commit, and push where there is a remote."""
        file = FileWitness(self.folder / "checkpoints.txt")
        file.publish(note)
        self._git("add", "checkpoints.txt")
        who = ("-c", "user.name=adhere warden", "-c", "user.email=warden@localhost")
        self._git(*who, "commit", "--quiet", "-m", "checkpoint " + note.split("\n")[1])
        if self._git("remote").strip():
            self._git("push", "--quiet")

    def notes(self) -> list[str]:
        """What the last commit holds, whatever the work tree says."""
        tracked = self._git("ls-tree", "--name-only", "HEAD") if self._commits() else ""
        return _split(self._git("show", "HEAD:checkpoints.txt")) if "checkpoints.txt" in tracked.split() else []

    def _commits(self) -> bool:
        return bool(self._git("rev-list", "--all", "--max-count=1").strip())


class ExecWitness:
    """Another process."""

    def __init__(self, command: str) -> None:
        self.command, self.name = shlex.split(command), f"exec:{command}"

    def _run(self, word: str, data: str) -> str:
        try:
            done = subprocess.run(
                [*self.command, word], input=data, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Refused("witness", f"{self.name}: {error}") from error
        if done.returncode != 0:
            raise Refused("witness", f"{self.name} {word}: {done.stderr.strip()[:200] or done.returncode}")
        return done.stdout

    def publish(self, note: str) -> None:
        """Hand it over."""
        self._run("publish", note)

    def notes(self) -> list[str]:
        """Ask for what it holds."""
        return _split(self._run("list", ""))


def witness(text: str) -> Witness:
    """The witness that the charter writes as `text`.

    Raises:
        Refused: no such kind.
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return FileWitness(Path(rest))
    if kind == "git" and rest:
        return GitWitness(Path(rest))
    if kind == "exec" and rest:
        return ExecWitness(rest)
    raise Refused("witness", f"{text!r}: a witness is file:PATH, git:FOLDER or exec:COMMAND")


def origin(warden: Warden) -> str:
    """The name of this ledger on its checkpoints."""
    return f"adhere.warden/{warden.charter.terms.agent}/{warden.charter.origin[:16]}"


def verifiers(warden: Warden) -> list[Verifier]:
    """Whose signatures on a checkpoint are known: the warden's, and of those with the witness role (Ed25519)."""
    found = [Verifier(origin(warden), bytes.fromhex(warden.charter.terms.warden))]
    if any(grant.role == "witness" for grant in warden.charter.grants()):
        keys = [key for key in warden.charter.members("witness") if key.keytype == "ed25519"]
        found += [Verifier(person_of(key), bytes.fromhex(key.keyval["public"])) for key in keys]
    return found


def note(warden: Warden) -> str:
    """A signed checkpoint of the ledger as it stands."""
    peaks = warden.ledger.peaks()
    return checkpoint.note(Checkpoint(origin(warden), peaks.size, peaks.root), charter_setup.warden_key(warden.folder))


def cosign(warden: Warden, signed: str, signer: Signer) -> str:
    """`signed` with the signature of a witness, if the ledger contains it.

    Raises:
        Refused: the ledger does not, or the key has not the witness role.
    """
    check(warden, [signed])
    text = signed.partition("\n\n")[0] + "\n"
    for key in warden.charter.members("witness"):
        if fingerprint(key) == fingerprint(signer.public_key) and key.keytype == "ed25519":
            public = bytes.fromhex(key.keyval["public"])
            line = checkpoint.sign(
                text, person_of(key), lambda data: bytes.fromhex(signer.sign(data).signature), public
            )
            return signed + line
    raise Refused("stranger", "the signing key has not the role witness, or is not Ed25519")


def check(warden: Warden, notes: Sequence[str]) -> int:
    """Refuse where the ledger does not contain one of these checkpoints; how many were checked.

    Raises:
        Refused: rewritten, cut short, or a checkpoint that is not this ledger's.
    """
    known = verifiers(warden)
    found = [checkpoint.open_note(text, known)[0] for text in notes]
    if not found:
        return 0
    leaves = warden.ledger.leaves()
    for point in sorted(found, key=lambda p: p.size):
        if point.origin != origin(warden):
            raise Refused("checkpoint", f"the checkpoint is of {point.origin}, this ledger is {origin(warden)}")
        if point.size > len(leaves):
            raise Refused(
                "cut", f"a checkpoint saw {point.size} entries, the ledger has {len(leaves)}: it was cut short"
            )
        if merkle.root(leaves[: point.size]) != point.root:
            raise Refused("rewritten", f"the first {point.size} entries are not those that a checkpoint saw: rewritten")
    return len(found)


def publish(warden: Warden) -> dict[str, str]:
    """Give every witness of the charter a new checkpoint; what each said ("" for taken). Recorded in the ledger."""
    said: dict[str, str] = {}
    for text in warden.charter.terms.witnesses:
        try:
            where = witness(text)
            check(warden, where.notes()[-1:])
            where.publish(note(warden))
            said[text] = ""
        except (Refused, OSError, ValueError) as error:
            said[text] = str(error)
    if said:
        warden.ledger.append("checkpoint", {"size": warden.ledger.peaks().size, "witnesses": said}, warden.clock())
    return said
