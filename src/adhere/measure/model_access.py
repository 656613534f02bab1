"""From a model's name to a model that Inspect can ask, and whether it answers at all.

    smollm2, ./model.gguf, ./checkpoint, org/name     on this machine (`models.serving.provider`)
    http://localhost:8000/v1                          a server with OpenAI's API; its only model, or `URL#model`
    openai/gpt-5, vllm/..., ...                       any provider of Inspect

Rules:

- A model on this machine is opened now, so that a wrong name is one line and not a thousand failed samples.
- A server is looked for before anything is asked: one that takes no connection is named within `PATIENCE` seconds. The
  clients' own retries would be silent for minutes.
- A server given by its URL is sent the key in `ADHERE_SERVER_KEY`, and no other.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from adhere.core.errors import UserError

if TYPE_CHECKING:
    from inspect_ai.model import Model

PATIENCE = 5.0
"""Seconds for a name to be resolved and a connection to be taken."""
SERVICE = "server"
"""Under which Inspect knows a server that was given by its URL: `openai-api/server/<model>`."""
KEY = "ADHERE_SERVER_KEY"


def resolve(name: str) -> Model:
    """The Inspect model called `name`.

    Raises:
        UserError: there is no such model, its provider lacks a key or a package, or its server does not answer.
    """
    from inspect_ai._util.error import PrerequisiteError

    from adhere.models.serving.inspect_provider import is_ours, prepare  # registers it where nothing is installed

    try:
        model = _model(name)
        if is_ours(model):
            prepare(model)
        else:
            _require_reachable(name, _address(model.api))
    except UserError:
        raise
    except (PrerequisiteError, ValueError, ImportError) as error:
        raise UserError(f"cannot use the model {name}: {one_line(error)}") from error
    return model


def _model(name: str) -> Model:
    from inspect_ai.model import get_model

    from adhere.models.engines.sources import is_local

    if name.startswith(("http://", "https://")):
        url, model, key = served(name)
        return get_model(f"openai-api/{SERVICE}/{model}", base_url=url, api_key=key or "none", memoize=False)
    if is_local(name):
        return get_model(f"adhere/{name}", memoize=False)
    try:
        return get_model(name)
    except ValueError as error:
        if "not recognized" not in str(error):
            raise
        return get_model(f"adhere/{name}", memoize=False)


def served(name: str) -> tuple[str, str, str]:
    """URL, model and key of a server that is given by its URL, as `URL` or `URL#model`.

    Raises:
        UserError: it does not answer, or serves no such model.
    """
    import httpx

    url, _, wanted = name.partition("#")
    url = url.rstrip("/")
    _require_reachable(url, url)
    key = os.environ.get(KEY, "")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        listed = httpx.get(f"{url}/models", headers=headers, timeout=PATIENCE)
        names = [str(one["id"]) for one in listed.raise_for_status().json()["data"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        if not wanted:
            reason = one_line(error).partition(" For more")[0]
            raise UserError(
                f"{url} lists no models ({reason}); give the API's URL up to /v1, and {url}#MODEL"
            ) from None
        names = [wanted]
    if (wanted and wanted not in names) or (not wanted and len(names) != 1):
        raise UserError(f"{url} serves {', '.join(names[:20]) or 'no model'}; name one of them: {url}#MODEL")
    return url, wanted or names[0], key


def _address(api: Any) -> str | None:
    """Where a provider's requests go, if that can be told."""
    client = getattr(api, "client", None)
    return str(getattr(api, "base_url", None) or getattr(client, "base_url", None) or "") or None


def _require_reachable(name: str, url: str | None) -> None:
    """Raises: UserError: what stands at `url`, or the proxy before it, takes no connection in time."""
    parts = urlsplit(url or "")
    if not parts.hostname:
        return
    proxy = getproxies().get(parts.scheme)
    if proxy and not proxy_bypass(parts.hostname):
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    failure: list[str] = [f"no answer within {PATIENCE:g} s"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), timeout=PATIENCE).close()
            failure.clear()
        except OSError as error:
            failure[:] = [error.strerror or str(error)]

    thread = threading.Thread(target=connect, daemon=True)  # resolving a name knows no timeout
    thread.start()
    thread.join(PATIENCE + 1)
    if failure:
        raise UserError(f"{name}: nothing answers at {host}:{port} ({failure[0]}); is it running, is the URL right?")


def release(model: Model) -> None:
    """Let go of what the model holds: ours a thread or a process, which must not be at work when the interpreter ends;
    the hosted ones connections of an event loop that has ended, which end with the process."""
    with contextlib.suppress(RuntimeError):  # Inspect's own, where a provider can only be closed from its event loop
        model.api.close()


def one_line(error: BaseException) -> str:
    """An error's message without markup, in one line."""
    import re

    text = re.sub(r"\[/?[a-z ]+\]", "", str(getattr(error, "message", error)))
    return " ".join(text.split())[:300] or type(error).__name__
