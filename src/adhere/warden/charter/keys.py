"""Keys of principals: made, read, and recognised again under another name.

Rules
- Nothing cryptographic is written here: keys and signatures are securesystemslib's, files are PEM (PKCS#8 for the
  private part, SubjectPublicKeyInfo for the public part), so `openssl` reads them too.
- A private key is written readable by its owner only, and never over an existing file. Unless a place is given, it
  goes to `home_of_keys`, outside the folder in which an agent works.
- A key is recognised by its *material* (`fingerprint`), not by its id and not by its scheme: the id is
  whatever a document says it is.
- A signer is a PEM file, or a URI of securesystemslib (`hsm:`, `awskms:`, `gcpkms:`, `azurekms:`, `gnupg:` ...)
  together with the public key the charter holds for it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.exceptions import Error as SecureSystemsError
from securesystemslib.signer import CryptoSigner, Key, Signer, SSlibKey

from adhere.warden.canonical import Refused, digest

KINDS: dict[str, Callable[[], CryptoSigner]] = {
    "ed25519": CryptoSigner.generate_ed25519,
    "ecdsa": CryptoSigner.generate_ecdsa,
    "rsa": CryptoSigner.generate_rsa,
    "ml-dsa": CryptoSigner.generate_mldsa,
}
"""Kinds of key that can be made here. Ed25519 is the default; ML-DSA-65 withstands a quantum computer."""


def home_of_keys() -> Path:
    """Where private keys live, outside every working folder: `$XDG_DATA_HOME/adhere/keys`."""
    base = os.environ.get("XDG_DATA_HOME") or os.path.join(os.path.expanduser("~"), ".local", "share")
    return Path(base) / "adhere" / "keys"


def generate(kind: str = "ed25519") -> CryptoSigner:
    """A new key pair.

    Raises:
        Refused: no such kind, or this machine's library cannot make it.
    """
    if kind not in KINDS:
        raise Refused("key-kind", f"no key kind {kind!r}; there are: {', '.join(KINDS)}")
    try:
        return KINDS[kind]()
    except (SecureSystemsError, UnsupportedAlgorithm) as error:
        raise Refused("key-kind", f"a key of kind {kind} cannot be made here: {error}") from error


def public_pem(key: Key) -> bytes:
    """The public part as PEM."""
    if key.keytype == "ed25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        raw = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.keyval["public"]))
        return raw.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return str(key.keyval["public"]).encode()


def write_pair(signer: CryptoSigner, stem: Path, secret_folder: Path | None = None) -> tuple[Path, Path]:
    """Write `stem.key` (mode 0600) and `stem.pub`; return both paths. The private part goes to `secret_folder`, if any.

    Raises:
        Refused: one of them is there already, or the folder cannot be written.
    """
    secret, public = stem.with_name(stem.name + ".key"), stem.with_name(stem.name + ".pub")
    if secret_folder is not None:
        secret = secret_folder / secret.name
    for path in (secret, public):
        if path.exists():
            raise Refused("exists", f"{path} is there already: a key is never overwritten")
    try:
        if secret_folder is not None:
            secret_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(secret, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(signer.private_bytes)
        public.write_bytes(public_pem(signer.public_key))
    except OSError as error:
        raise Refused("unwritable", f"cannot write {stem}: {error.strerror}") from error
    return secret, public


def load_public(path: Path) -> SSlibKey:
    """The public key in a PEM file.

    Raises:
        Refused: not there, not a public key, or of a kind that cannot sign.
    """
    data = _pem(path)
    if b"PRIVATE KEY" in data:
        raise Refused("key-kind", f"{path} holds a private key: name the public part, {path.stem}.pub")
    try:
        return SSlibKey.from_crypto(load_pem_public_key(data))
    except (ValueError, TypeError, UnsupportedAlgorithm, SecureSystemsError) as error:
        raise Refused("key-kind", f"{path}: not a public key that can be used here ({error})") from error


def load_signer(source: str | Path, public: Key | None = None) -> Signer:
    """The signer at `source`: a PEM file, or a URI together with its `public` key.

    A bare name that is no file here, `owner.key` or `owner`, is looked for in `home_of_keys`.

    Raises:
        Refused: not there, not a private key, or the URI's library is missing.
    """
    text = str(source)
    if ":" in text and not Path(text).exists():
        if public is None:
            raise Refused("key-kind", f"{text}: write NAME={text}, NAME being the principal in the charter")
        try:
            return Signer.from_priv_key_uri(text, public)
        except (SecureSystemsError, ValueError, OSError, ImportError) as error:
            raise Refused("key-kind", f"{text}: no signer can be had there ({error})") from error
    data = _pem(find(text))
    if b"PUBLIC KEY" in data:
        raise Refused("key-kind", f"{source} holds a public key: sign with the private part")
    try:
        return CryptoSigner(load_pem_private_key(data, None))
    except TypeError as error:
        raise Refused("key-kind", f"{source}: the key is encrypted; use an agent or HSM URI") from error
    except (ValueError, UnsupportedAlgorithm, SecureSystemsError) as error:
        raise Refused("key-kind", f"{source}: not a private key that can be used here ({error})") from error


def find(name: str) -> Path:
    """The key file called `name`: here, or else in `home_of_keys` where it is a bare name."""
    path = Path(name)
    if path.exists() or path.name != name:
        return path
    for candidate in (home_of_keys() / name, home_of_keys() / f"{name}.key"):
        if candidate.is_file():
            return candidate
    return path


def _pem(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Refused("unreadable", f"{path}: no key can be read there ({error.strerror})") from error
    if b"-----BEGIN" not in data:
        raise Refused("key-kind", f"{path}: not a PEM key file")
    return data


def fingerprint(key: Key) -> str:
    """Digest of the key's material: the same under every id, scheme, letter case and line width."""
    return _fingerprint(key.keytype, str(key.keyval.get("public", "")))


@functools.lru_cache(maxsize=4096)
def _fingerprint(keytype: str, public: str) -> str:
    if keytype == "ed25519":
        try:
            return digest(b"ed25519" + bytes.fromhex(public))
        except ValueError as error:
            raise Refused("key-kind", "a key of the charter is not hexadecimal") from error
    try:
        der = load_pem_public_key(public.encode()).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refused("key-kind", f"a key of the charter cannot be read ({error})") from error
    return digest(der)
