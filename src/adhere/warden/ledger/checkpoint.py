"""Signed checkpoints of the ledger, in the form that C2SP gives them (signed-note, tlog-checkpoint).

    adhere.example/agent                        origin: whose ledger
    1042                                        number of entries
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=  Merkle root
                                                an empty line
    — adhere.example/agent Az3grl...            signatures: 4 bytes of key hash, then Ed25519 over the text

Rules
- A text is what stands above the empty line, with its last newline; every signature is over that.
- A signature line whose name or key hash nobody asked about is passed over; one that is asked about and does not
  verify makes the whole note refused.
- Several may sign one checkpoint: the warden, and witnesses who saw that it grew out of the one before.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from adhere.warden.canonical import Refused

ED25519 = b"\x01"
DASH = "\N{EM DASH} "


@dataclass(frozen=True)
class Verifier:
    """A name and the Ed25519 public key (32 bytes) that signs under it."""

    name: str
    public: bytes

    @property
    def key_hash(self) -> bytes:
        """First 4 bytes of SHA-256(name, newline, 0x01, key): C2SP signed-note."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def to_text(self) -> str:
        """The key as C2SP writes it: name+hash+base64(0x01 || key)."""
        return f"{self.name}+{self.key_hash.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"

    @classmethod
    def from_text(cls, text: str) -> Verifier:
        """What `to_text` wrote.

        Raises:
            Refused: it is not such a key.
        """
        try:
            name, hashed, encoded = text.strip().rsplit("+", 2) if text.count("+") == 2 else text.split("+", 2)
            data = base64.b64decode(encoded, validate=True)
            found = cls(name, data[1:])
            if data[:1] != ED25519 or len(data) != 33 or found.key_hash.hex() != hashed:
                raise ValueError("not an Ed25519 key of that name")
        except (ValueError, binascii.Error) as error:
            raise Refused("checkpoint", f"{text[:60]!r}: not a verifier key ({error})") from error
        return found


@dataclass(frozen=True)
class Checkpoint:
    """A ledger at one moment: whose, how many entries, which root."""

    origin: str
    size: int
    root: bytes
    extra: tuple[str, ...] = ()

    def to_text(self) -> str:
        """The text that is signed."""
        lines = [self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extra]
        return "\n".join(lines) + "\n"

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """The checkpoint in a text.

        Raises:
            Refused: it is not one.
        """
        lines = text.removesuffix("\n").split("\n")
        try:
            root = base64.b64decode(lines[2], validate=True)
            if not lines[0] or not lines[1].isascii() or str(int(lines[1])) != lines[1] or len(root) != 32:
                raise ValueError("origin, size and root do not stand where they should")
        except (IndexError, ValueError, binascii.Error) as error:
            raise Refused("checkpoint", f"not a checkpoint ({error})") from error
        return cls(lines[0], int(lines[1]), root, tuple(lines[3:]))


def sign(text: str, name: str, sign_bytes: Callable[[bytes], bytes], public: bytes) -> str:
    """The signature line for `text` under `name`."""
    blob = Verifier(name, public).key_hash + sign_bytes(text.encode())
    return f"{DASH}{name} {base64.b64encode(blob).decode()}\n"


def note(checkpoint: Checkpoint, key: Ed25519PrivateKey) -> str:
    """The checkpoint with the signature of its origin."""
    text = checkpoint.to_text()
    return text + "\n" + sign(text, checkpoint.origin, key.sign, key.public_key().public_bytes_raw())


def open_note(signed: str, verifiers: Iterable[Verifier]) -> tuple[Checkpoint, tuple[str, ...]]:
    """The checkpoint in a signed note, and which of `verifiers` signed it.

    Raises:
        Refused: not a note, none of the verifiers signed it, or one's signature is false.
    """
    text, found, tail = signed.partition("\n\n")
    if not found or not tail:
        raise Refused("checkpoint", "not a signed checkpoint: the signatures are missing")
    text += "\n"
    known = {(v.name, v.key_hash): v for v in verifiers}
    names = []
    for line in tail.removesuffix("\n").split("\n"):
        try:
            if not line.startswith(DASH):
                raise ValueError(f"a line that is no signature: {line[:40]!r}")
            name, encoded = line.removeprefix(DASH).rsplit(" ", 1)
            blob = base64.b64decode(encoded, validate=True)
        except (ValueError, binascii.Error) as error:
            raise Refused("checkpoint", f"not a signed checkpoint ({error})") from error
        verifier = known.get((name, blob[:4]))
        if verifier is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(verifier.public).verify(blob[4:], text.encode())
        except (InvalidSignature, ValueError) as error:
            raise Refused("checkpoint", f"the signature of {name} on the checkpoint is false") from error
        names.append(name)
    if not names:
        raise Refused("checkpoint", "the checkpoint bears no signature of a key that is known here")
    return Checkpoint.from_text(text), tuple(dict.fromkeys(names))
