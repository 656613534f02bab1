"""A fake upstream and gateways in front of it, on real servers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.gateway.fake import Fake, serving

from adhere.gateway.app import Gateway, app
from adhere.gateway.hooks import GatewayHooks, Handling, PassThrough
from adhere.gateway.upstream.client import Client, Upstream, dialect

Serve = Callable[..., str]


@pytest.fixture(scope="session")
def fake() -> Iterator[Fake]:
    fake = Fake()
    with serving(fake.app()) as url:
        fake.url = url
        yield fake


@pytest.fixture(scope="session")
def gateway(fake: Fake) -> Iterator[str]:
    """A gateway without a policy; its base URL."""
    with serve(fake) as url:
        yield url


@contextlib.contextmanager
def serve(
    fake: Fake,
    handling: Handling | None = None,
    points: GatewayHooks | None = None,
    speaks: str = "chat",
    **upstream: Any,
) -> Iterator[str]:
    there = Upstream(f"{fake.url}/v1", dialect(speaks), **upstream)
    with serving(app(Gateway(Client(there), points or PassThrough(handling)))) as url:
        yield url
