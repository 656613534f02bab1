"""How the console's pages are rendered: templates, strict headers, faults in one line, times and shares in words.

Rules
- Every answer carries `HEADERS`: no inline script or style, no framing, nothing from elsewhere, no caching.
- Templates escape everything. A page that fails says so in one line and with its status.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from adhere.gateway.console.adherence import Share
from adhere.gateway.console.sessions import Sessions
from adhere.gateway.governance.governed_gateway import GovernedGateway
from adhere.warden.engine.warden import Warden

HERE = Path(__file__).parent
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
PAGES = (
    ("/console", "In force"),
    ("/console/live", "Live"),
    ("/console/held", "Held"),
    ("/console/adherence", "Adherence"),
    ("/console/ledger", "Ledger"),
    ("/console/key", "Your key"),
)


class View:
    """Renders the pages of one house."""

    def __init__(self, house: GovernedGateway, warden: Warden, held: Sessions) -> None:
        self._house, self._warden, self._sessions = house, warden, held
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._templates.filters |= {"at": _at, "span": _span, "short": _short, "share": _shared, "pretty": _pretty}

    def fault(self, request: Request, status: int, text: str) -> Response:
        """What went wrong, as a page or as JSON."""
        if "text/html" in request.headers.get("accept", ""):
            return self.page(request, "fault.html", "Not done", status=status, text=text)
        return JSONResponse({"error": text}, status_code=status)

    def page(self, request: Request, template: str, title: str, *, status: int = 200, **fields: Any) -> Response:
        """One page of a template."""
        session = self._sessions.of(request)
        why = self._house.stopped()
        state = self._house.switch.state if self._house.switch else None
        html = self._templates.get_template(template).render(
            title=title,
            pages=PAGES,
            path=request.url.path,
            signed_in=session is not None,
            token=session.token if session else "",
            agent=self._warden.charter.terms.agent,
            mode=state.mode.value if state else "unknown",
            epoch=state.epoch if state else 0,
            stopped=why,
            now=time.time(),
            **fields,
        )
        return HTMLResponse(html, status_code=status)


class Static(StaticFiles):
    """Static files under the same headers, but cacheable."""

    async def get_response(self, path: str, scope: Any) -> Response:
        response = await super().get_response(path, scope)
        headed(response)
        response.headers["cache-control"] = "no-cache"
        return response


def headed(response: Response) -> Response:
    """`response` with the headers that all have."""
    response.headers.update(HEADERS)
    return response


def file(data: bytes, name: str, kind: str) -> Response:
    """A file to keep."""
    return Response(data, media_type=kind, headers={"content-disposition": f'attachment; filename="{name}"'})


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _span(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"


def _short(digest: str) -> str:
    return digest[:16]


def _shared(share: Share) -> str:
    if not share.n:
        return "no answers yet"
    low, high = share.interval
    return f"{share.estimate:.1%} [{low:.1%}, {high:.1%}]"


def _pretty(body: Any) -> str:
    return json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True)
