"""The console's pages, and /metrics: server-rendered, readable without scripts; scripts sign, and keep pages fresh.

Rules
- Every page needs a session (`sessions`); every answer carries the same strict headers: no inline script or style, no
  framing, nothing from elsewhere, no caching.
- A page shows what the ledger and the charter say at this moment, read in a thread.
- Text of acts, models and tools is data: templates escape everything, and it is shown as it is, in <pre>.
- A page that fails says so in one line and with its status, and never half of what it was to show.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import (
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import BaseRoute, Mount, Route

from adhere.core.errors import UserError
from adhere.gateway.console import adherence, sessions, statement_submission
from adhere.gateway.console.sessions import NotAllowed, Sessions
from adhere.gateway.console.view import HERE, Static, View, file, headed
from adhere.gateway.governance.governed_gateway import GovernedGateway
from adhere.gateway.telemetry.metrics import CONTENT_TYPE
from adhere.warden.canonical import Refused
from adhere.warden.engine import witness
from adhere.warden.engine.warden import Warden
from adhere.warden.orders import approvals
from adhere.warden.orders.orders import Mode
from adhere.warden.supervision import attest, running

LIVE_KINDS = (
    "answer",
    "decision",
    "refused-request",
    "drift",
    "monitor",
    "stop",
    "pause",
    "resume",
    "approve",
    "refuse",
)
ROWS = 50
PAGE = 100


def routes(house: GovernedGateway) -> list[BaseRoute]:
    """What is served beside the APIs: the console where the policy has one, and /metrics."""
    found: list[BaseRoute] = []
    sessions_of = Sessions(house.policy.console) if house.policy.console else None
    if house.policy.metrics != "off":
        found.append(Route("/metrics", _metrics(house, sessions_of), methods=["GET"]))
    if sessions_of is not None and house.warden is not None:
        found += Console(house, house.warden, sessions_of).routes()
    return found


def _metrics(house: GovernedGateway, held: Sessions | None) -> Callable[[Request], Awaitable[Response]]:
    async def metrics(request: Request) -> Response:
        if house.policy.metrics == "key":
            given = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
            if held is None or not held.is_key(given):
                return PlainTextResponse("the console's key is needed as a bearer token\n", status_code=401)
        return Response(house.metrics.text(), media_type=CONTENT_TYPE)

    return metrics


class Console:
    """The pages of one house."""

    def __init__(self, house: GovernedGateway, warden: Warden, held: Sessions) -> None:
        self.house, self.warden, self.sessions = house, warden, held
        self.view = View(house, warden, held)
        self._answers = adherence.RecentAnswers()
        self._page = self.view.page

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        pages: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            ("/console", self.in_force),
            ("/console/live", self.live),
            ("/console/held", self.held),
            ("/console/held/{request}", self.request),
            ("/console/adherence", self.adherence),
            ("/console/ledger", self.ledger),
            ("/console/ledger/checkpoint", self.checkpoint),
            ("/console/key", self.key),
            ("/console/stop", self.stop),
            ("/console/stop/attestation", self.attestation),
            ("/console/signers", self.signers),
            ("/console/draft", self.draft),
            ("/console/events", self.events),
        ]
        posts: list[tuple[str, Callable[[Request], Awaitable[Response]]]] = [
            ("/console/statement", self.statement),
            ("/console/ledger/verify", self.verify),
            ("/console/sign-out", self.sign_out),
        ]
        return [
            Route("/console/sign-in", self._guarded(self.sign_in, open_=True), methods=["GET", "POST"]),
            *(Route(path, self._guarded(page), methods=["GET"]) for path, page in pages),
            *(Route(path, self._guarded(page), methods=["POST"]) for path, page in posts),
            Mount("/console/static", Static(directory=HERE / "static")),
        ]

    def _guarded(
        self, page: Callable[[Request], Awaitable[Response]], *, open_: bool = False
    ) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            try:
                if not open_ and self.sessions.of(request) is None:
                    wants = request.headers.get("accept", "")
                    if request.method == "GET" and "text/html" in wants:
                        return headed(RedirectResponse("/console/sign-in", status_code=303))
                    raise NotAllowed(401, "sign in first")
                response = await page(request)
            except NotAllowed as error:
                response = self.view.fault(request, error.status, str(error))
            except UserError as error:
                response = self.view.fault(request, 409, str(error))
            return headed(response)

        return endpoint

    # signing in

    async def sign_in(self, request: Request) -> Response:
        """The form, and what it sends."""
        if request.method == "GET":
            return self._page(request, "sign_in.html", "Sign in", fault="")
        sessions.own_origin(request)
        fields = await sessions.form(request)
        address = request.client.host if request.client else ""
        try:
            cookie = self.sessions.open(fields.get("key", "").strip(), address)
        except NotAllowed as error:
            return self._page(request, "sign_in.html", "Sign in", status=error.status, fault=str(error))
        response = RedirectResponse("/console", status_code=303)
        sessions.give(response, cookie, request, self.sessions.terms.hours)
        return response

    async def sign_out(self, request: Request) -> Response:
        """End the session."""
        self.sessions.checked(request, (await sessions.form(request)).get("token", ""))
        self.sessions.close(request)
        response = RedirectResponse("/console/sign-in", status_code=303)
        response.delete_cookie(sessions.COOKIE, path="/")
        return response

    # what is in force

    async def in_force(self, request: Request) -> Response:
        """Charter, instructions, lease, routes, monitors, posture."""

        def read() -> dict[str, Any]:
            warden = self.warden
            charter, state = warden.charter, warden.state()
            return {
                "charter": charter,
                "signed_by": charter.terms_proof().persons,
                "grants": charter.grants(),
                "chains": [chain for chain in state.chains if chain.in_force],
                "lease": warden.heartbeat(),
                "lease_level": state.lease.name.lower(),
                "posture": list(self.house.posture()),
                "open": sum(r.status == "open" for r in _waiting(warden)),
            }

        fields = await asyncio.to_thread(read)
        routes = [
            {
                "name": route.name or f"route {place}",
                "models": ", ".join(route.models),
                "clients": ", ".join(route.clients),
                "constraints": [constraint.describe() for constraint in route.constraints],
                "monitors": ", ".join(route.monitors),
                "tools": route.tools,
                "spent": route.handling.spent,
            }
            for place, route in enumerate(self.house.policy.routes)
        ]
        drift = [(client, name, found) for (client, name), found in sorted(self.house.drifting.evidence.items())]
        return self._page(request, "in_force.html", "In force", routes=routes, drift=drift, **fields)

    # what happens

    async def live(self, request: Request) -> Response:
        """The last decisions and answers."""
        template = "live_rows.html" if "rows" in request.query_params else "live.html"
        found = await asyncio.to_thread(_last, self.warden, LIVE_KINDS, ROWS)
        return self._page(request, template, "Live", entries=found)

    async def events(self, request: Request) -> Response:
        """Server-sent events: what kind of thing happened. The page asks for what it shows."""
        if self.house.live.full:
            raise NotAllowed(503, "too many pages are listening")

        async def stream() -> AsyncIterator[bytes]:
            yield b"retry: 2000\n\n"
            async for event in self.house.live.listen():
                if self.sessions.of(request) is None:
                    return
                if event is None:
                    yield b": still here\n\n"
                else:
                    yield b"data: " + json.dumps({"kind": event.kind}).encode() + b"\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    # what is held

    async def held(self, request: Request) -> Response:
        """What waits for persons, and what may still be used."""
        template = "held_rows.html" if "rows" in request.query_params else "held.html"
        found = await asyncio.to_thread(_waiting, self.warden)
        return self._page(request, template, "Held", requests=found)

    async def request(self, request: Request) -> Response:
        """One act exactly as its approval will be signed."""

        def read() -> dict[str, Any]:
            wanted = approvals.find(self.warden.ledger, request.path_params["request"])
            rows = self.warden.ledger.query("SELECT person FROM approval WHERE request = ?", (wanted.id,))
            return {"wanted": wanted, "approved_by": [row[0] for row in rows]}

        try:
            fields = await asyncio.to_thread(read)
        except Refused as error:
            raise NotAllowed(404, str(error)) from None
        return self._page(request, "request.html", f"Held: {fields['wanted'].id}", **fields)

    async def signers(self, request: Request) -> Response:
        """Who can sign in a browser: public keys."""
        del request
        return JSONResponse({"signers": await asyncio.to_thread(statement_submission.signers, self.warden)})

    async def draft(self, request: Request) -> Response:
        """A statement to sign."""
        query = request.query_params
        args = query.get("kind", ""), query.get("request", ""), query.get("text", "")
        return JSONResponse(await asyncio.to_thread(statement_submission.draft, self.warden, *args))

    async def statement(self, request: Request) -> Response:
        """A statement that was signed."""
        self.sessions.checked(request, request.headers.get("x-adhere-token", ""))
        data = await sessions.body(request)
        accepted, person = await asyncio.to_thread(statement_submission.take, self.warden, data)
        if self.house.holds is not None:
            self.house.holds.told()
        self.house.live.tell(accepted.kind, {"reason": accepted.reason, "detail": accepted.detail})
        if accepted.kind == "stop":
            await asyncio.to_thread(self._finish_stop)
        said = {"kind": accepted.kind, "reason": accepted.reason, "by": person, "entry": accepted.seq}
        return JSONResponse(said)

    # the stop

    def _finish_stop(self) -> None:
        if self.warden.state().mode is Mode.STOPPING:
            running.finish_stop(self.warden)
        running.publish(self.warden)

    async def stop(self, request: Request) -> Response:
        """The button, or the attestation of the stop that is in force."""

        def read() -> Any:
            if self.warden.state().mode is Mode.STOPPING:
                self._finish_stop()
            return attest.load_last(self.warden) if self.warden.state().mode is Mode.STOPPED else None

        found = await asyncio.to_thread(read)
        if self.house.switch is not None:
            await asyncio.to_thread(self.house.switch.look)
        lines = attest.lines(found.body) if found else []
        return self._page(request, "stop.html", "Stop", attestation=found, lines=lines)

    async def attestation(self, request: Request) -> Response:
        """The signed attestation as a file."""
        del request
        found = await asyncio.to_thread(attest.load_last, self.warden)
        if found is None:
            raise NotAllowed(404, "no stop was attested yet")
        return file(found.envelope, "stop-attestation.json", "application/json")

    # the record

    async def adherence(self, request: Request) -> Response:
        """Adherence over time."""
        answers = await asyncio.to_thread(self._answers.read, self.warden.ledger)
        seen = await asyncio.to_thread(adherence.adherence, answers)
        return self._page(request, "adherence.html", "Adherence", found=seen, drawing=adherence.drawing(seen))

    async def ledger(self, request: Request) -> Response:
        """Entries, newest first, a page at a time."""
        text = request.query_params.get("before", "")
        return await self._entries(request, int(text) if text.isdigit() else None, None)

    async def _entries(self, request: Request, before: int | None, verified: dict[str, Any] | None) -> Response:
        size = (await asyncio.to_thread(self.warden.ledger.peaks)).size
        end = size if before is None else min(before, size)
        first = max(0, end - PAGE)
        try:
            entries = await asyncio.to_thread(self.warden.ledger.entries, first, end - first)
        except Refused:
            if verified is None:
                raise
            entries = []  # the faults that were found say what cannot be shown
        fields: dict[str, Any] = {
            "entries": entries[::-1],
            "size": size,
            "before": end,
            "first": first,
            "verified": verified,
        }
        return self._page(request, "ledger.html", "Ledger", **fields)

    async def verify(self, request: Request) -> Response:
        """Recompute every hash, and compare with the checkpoints that witnesses hold."""
        self.sessions.checked(request, (await sessions.form(request)).get("token", ""))

        def check() -> dict[str, Any]:
            keys = [each.to_text() for each in witness.verifiers(self.warden)]
            notes: list[str] = []
            silent: list[str] = []
            for text in self.warden.charter.terms.witnesses:
                try:
                    held = witness.witness(text).notes()
                    notes += held
                    if not held:
                        silent.append(f"{text} holds no checkpoint yet")
                except (UserError, OSError, ValueError) as error:
                    silent.append(f"{text}: {error}")
            began = time.monotonic()
            size, root, faults = self.warden.ledger.verify(keys, notes)
            found = {"size": size, "root": root, "faults": faults, "notes": len(notes), "silent": silent}
            return {**found, "seconds": time.monotonic() - began}

        return await self._entries(request, None, await asyncio.to_thread(check))

    async def checkpoint(self, request: Request) -> Response:
        """A signed checkpoint, to be kept elsewhere."""
        del request
        note = await asyncio.to_thread(witness.note, self.warden)
        return file(note.encode(), "checkpoint.txt", "text/plain; charset=utf-8")

    async def key(self, request: Request) -> Response:
        """The key in this browser."""
        return self._page(request, "key.html", "Your key")


def _waiting(warden: Warden) -> list[approvals.Request]:
    return approvals.requests(warden.ledger, warden.clock(), warden.state().epoch)


def _last(warden: Warden, kinds: tuple[str, ...], count: int) -> list[Any]:
    """The last `count` entries of some kinds, newest first; at most ten times as many are looked at."""
    size = warden.ledger.peaks().size
    found: list[Any] = []
    end = size
    while end > 0 and len(found) < count and size - end < 10 * count + 1000:
        first = max(0, end - 1000)
        found += [entry for entry in warden.ledger.entries(first, end - first)[::-1] if entry.kind in kinds]
        end = first
    return found[:count]
