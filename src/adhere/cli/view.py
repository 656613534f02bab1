"""`adhere view`: the gallery of earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with runs, at any depth.")] = Path("."),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8200,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Browse earlier runs in a local page, and compare two.

    Every JSON file of findings under DIR is a run: the newest first, each with its result in one sentence and a link to
    its page. The server reads only, and listens on this machine only. Ctrl-C ends it.
    """
    import socket

    from adhere.api.view import gallery
    from adhere.cli import console as output
    from adhere.core.errors import UserError
    from adhere.core.extras import require

    require("uvicorn")
    import uvicorn

    app = gallery(folder)
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
    except OSError as error:
        raise UserError(f"port {port}: {error.strerror}; --port 0 takes a free one") from None
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    output.note(f"runs of {folder}: {address}")
    if open_:
        import webbrowser

        webbrowser.open(address)
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
