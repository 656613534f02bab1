"""A user and a password in the upstream's URL are used, never printed, and break nothing."""

from __future__ import annotations

import base64

import httpx
import pytest
from tests.gateway.fake import Fake, Turn, serving

from adhere.gateway.app import Gateway, app
from adhere.gateway.hooks import PassThrough
from adhere.gateway.upstream.client import Client, Upstream, _without_credentials, dialect


@pytest.mark.parametrize("key", ["", "sk-own"])
def test_credentials_in_the_upstreams_url_do_not_give_a_500(fake: Fake, key: str) -> None:
    there = Upstream(f"{fake.url}/v1".replace("://", "://me:s%40cret@"), dialect("chat"), key=key)
    body = {"model": fake.says("urls", Turn("one")), "messages": [{"role": "user", "content": "hi"}]}
    with serving(app(Gateway(Client(there), PassThrough()))) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    assert "cret" not in answer.text + str(answer.headers)


def test_credentials_of_an_unreachable_upstream_are_not_in_the_error() -> None:
    there = Upstream("http://me:s3cret@127.0.0.1:9/v1", dialect("chat"))
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    with serving(app(Gateway(Client(there), PassThrough()))) as url:
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
    assert answer.status_code in (502, 503)
    assert "s3cret" not in answer.text


def test_credentials_become_a_header() -> None:
    base, headers = _without_credentials("https://me:s%40cret@host:1/v1/")
    assert base == "https://host:1/v1"
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:s@cret").decode()
    assert _without_credentials("http://host/v1") == ("http://host/v1", {})
