"""A local, read-only server for the gallery of runs.

It listens on this machine only and answers no other host name, so that no foreign page can read it. A run's own page is
served with a policy that lets it fetch nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adhere.core.errors import UserError
from adhere.core.extras import naming_extras

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

HOSTS = ("127.0.0.1", "localhost", "[::1]", "::1")
_OWN = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_FOREIGN = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def gallery(folder: str | Path) -> Starlette:
    """The gallery of a folder as an ASGI application.

    Raises:
        UserError: there is no such folder.
        MissingExtra: the server's or the page's libraries are not installed.
    """
    root = Path(folder).resolve()
    if not root.is_dir():
        raise UserError(f"{folder}: no such folder")
    with naming_extras():
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.middleware import Middleware
        from starlette.middleware.trustedhost import TrustedHostMiddleware
        from starlette.responses import HTMLResponse, PlainTextResponse
        from starlette.routing import Route

        from adhere.report import gallery as pages

    def shown(text: str, policy: str = _OWN) -> Response:
        headers = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cache-control": "no-store",
        }
        return HTMLResponse(text.encode("utf-8", "replace"), headers=headers)

    async def index(_: Request) -> Response:
        found = await run_in_threadpool(pages.runs, root)
        return shown(pages.gallery_page(found, root.name or str(root)))

    async def compare(request: Request) -> Response:
        chosen = request.query_params.getlist("run")
        if len(chosen) != 2:
            return PlainTextResponse(f"tick two runs, not {len(chosen)}", 400)
        by_path = {run.path: run for run in await run_in_threadpool(pages.runs, root)}
        pair = [by_path.get(path) for path in chosen]
        if pair[0] is None or pair[1] is None:
            return PlainTextResponse("no such run", 404)
        return shown(pages.comparison_page(pair[0], pair[1], root.name))

    async def page(request: Request) -> Response:
        wanted = request.path_params["path"]
        known = {run.page for run in await run_in_threadpool(pages.runs, root) if run.page is not None}
        if wanted not in known:
            return PlainTextResponse("no such page", 404)
        text = await run_in_threadpool((root / wanted).read_text, encoding="utf-8", errors="replace")
        return shown(text, _FOREIGN)

    routes = [Route("/", index), Route("/compare", compare), Route("/page/{path:path}", page)]
    return Starlette(routes=routes, middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(HOSTS))])
