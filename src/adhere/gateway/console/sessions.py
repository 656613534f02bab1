"""Signing in to the console, and knowing that a request is the page's own.

Rules
- The console has a key of its own; a client's key opens nothing here, and this key asks no model anything.
- A sign-in gives a cookie of 256 random bits (HttpOnly, SameSite=Strict, Secure behind TLS) that lives in this process
  only and ends after the policy's hours. Signing out ends it at once, a restart ends all of them.
- Whatever changes something carries the session's token in a field or header, comes from the page's own origin, and is
  a POST. Each of the three missing is a refusal.
- Keys are compared in constant time; `FAILURES` wrong ones from one address within a minute close the door to it for
  that minute.
- Signing in shows and reads. What has authority (a confirmation, a stop) is signed with a principal's key.
"""

from __future__ import annotations

import hmac
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from adhere.gateway.policy.policy import ConsoleTerms, hashed

COOKIE = "adhere_console"
FAILURES = 5
MINUTE = 60.0
LARGEST = 256 << 10
"""Bytes of a form or statement."""
SESSIONS = 256
ADDRESSES = 10_000


class NotAllowed(Exception):
    """The request is refused; `status` as HTTP has it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Session:
    """Somebody who is signed in, until `ends` (monotonic seconds)."""

    token: str
    ends: float


@dataclass
class Sessions:
    """All sessions of one console."""

    terms: ConsoleTerms
    _held: dict[str, Session] = field(default_factory=dict)
    _failed: dict[str, list[float]] = field(default_factory=dict)

    def open(self, key: str, address: str) -> str:
        """The cookie of a new session.

        Raises:
            NotAllowed: a wrong key, or too many of them.
        """
        now = time.monotonic()
        recent = [at for at in self._failed.get(address, ()) if now - at < MINUTE]
        if len(recent) >= FAILURES:
            raise NotAllowed(429, "too many wrong keys: try again in a minute")
        if not self.is_key(key):
            if len(self._failed) >= ADDRESSES:
                self._failed.clear()
            self._failed[address] = [*recent, now]
            raise NotAllowed(403, "this is not the console's key")
        self._failed.pop(address, None)
        self._held = {name: session for name, session in self._held.items() if session.ends > now}
        while len(self._held) >= SESSIONS:
            self._held.pop(next(iter(self._held)))
        cookie = secrets.token_urlsafe(32)
        self._held[cookie] = Session(secrets.token_urlsafe(32), now + self.terms.hours * 3600)
        return cookie

    def is_key(self, key: str) -> bool:
        """Whether `key` is the console's."""
        return hmac.compare_digest(self.terms.key, hashed(key))

    def of(self, request: Request) -> Session | None:
        """The session of a request, if it has one that lasts."""
        session = self._held.get(request.cookies.get(COOKIE, ""))
        return session if session is not None and session.ends > time.monotonic() else None

    def close(self, request: Request) -> None:
        """Sign out."""
        self._held.pop(request.cookies.get(COOKIE, ""), None)

    def checked(self, request: Request, token: str) -> Session:
        """The session of a request that changes something.

        Raises:
            NotAllowed: no session, another origin, or not the page's token.
        """
        own_origin(request)
        session = self.of(request)
        if session is None:
            raise NotAllowed(401, "sign in first")
        if not hmac.compare_digest(session.token, token):
            raise NotAllowed(403, "the page is older than the session: load it again")
        return session


def own_origin(request: Request) -> None:
    """Refuse a request that another site's page sent.

    Raises:
        NotAllowed: it was.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    origin = request.headers.get("origin", "")
    if site not in ("same-origin", "none") or (origin and urlsplit(origin).netloc != request.url.netloc):
        raise NotAllowed(403, "the request comes from another site")


def give(response: Response, cookie: str, request: Request, hours: float) -> None:
    """Put the cookie into a response."""
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=int(hours * 3600),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


async def body(request: Request) -> bytes:
    """What was posted.

    Raises:
        NotAllowed: more than `LARGEST` bytes.
    """
    data = b""
    async for piece in request.stream():
        data += piece
        if len(data) > LARGEST:
            raise NotAllowed(413, f"more than {LARGEST:,} bytes")
    return data


async def form(request: Request) -> dict[str, str]:
    """The fields of a posted form.

    Raises:
        NotAllowed: too large, or not a form.
    """
    try:
        fields = parse_qs((await body(request)).decode(), keep_blank_values=True, max_num_fields=20)
    except (UnicodeDecodeError, ValueError):
        raise NotAllowed(400, "not a form") from None
    return {name: values[-1] for name, values in fields.items()}
