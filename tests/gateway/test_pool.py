"""Several servers of one model: shares, failures, and what is no failure."""

from __future__ import annotations

import random
from collections import Counter

import httpx
import pytest
from tests.gateway.fake import Fake, Turn, serving

from adhere.api.serve import _weighed
from adhere.core.errors import UserError
from adhere.gateway.app import Gateway, app
from adhere.gateway.hooks import Handling, PassThrough
from adhere.gateway.upstream.client import Upstream, dialect
from adhere.gateway.upstream.pool import Pool

NOBODY = "http://127.0.0.1:1/v1"


def pool(*servers: tuple[str, float], **able: bool) -> Pool:
    return Pool.of([(Upstream(url, dialect("chat"), **able), weight) for url, weight in servers])


def ask(url: str, model: str, **fields: object) -> httpx.Response:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], **fields}
    return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)


def gateway(servers: Pool):
    return serving(app(Gateway(servers, PassThrough(Handling(attempts=0)))))


@pytest.mark.parametrize("stream", [False, True])
def test_another_server_answers_for_one_that_is_gone(fake: Fake, stream: bool):
    model = fake.says("pooled", Turn("Hello."))
    servers = pool((NOBODY, 1), (f"{fake.url}/v1", 0))
    with gateway(servers) as url:
        answers = [ask(url, model, stream=stream) for _ in range(3)]
    assert all(answer.status_code == 200 and "Hello." in answer.text for answer in answers)
    assert servers.members[0].failures == 1  # it was left alone after the first


def test_a_server_that_breaks_off_is_not_replaced_in_the_middle_of_its_answer(fake: Fake):
    broken = fake.says("half", Turn("one ", "two ", "three", fault="half"))
    with gateway(pool((f"{fake.url}/v1", 1), (f"{fake.url}/v1", 0))) as url:
        answer = ask(url, broken, stream=True)
    assert "[DONE]" not in answer.text
    assert answer.text.count("one ") <= 1


def test_a_wrong_request_is_no_failure_of_the_server(fake: Fake):
    model = fake.says("wrong", Turn(status=400))
    servers = pool((f"{fake.url}/v1", 1), (f"{fake.url}/v1", 1))
    with gateway(servers) as url:
        assert ask(url, model).status_code == 400
    assert [member.failures for member in servers.members] == [0, 0]


def test_when_all_are_gone_the_client_is_told(fake: Fake):
    with gateway(pool((NOBODY, 1), (NOBODY, 1))) as url:
        assert ask(url, "any").status_code == 503


def test_requests_are_shared_out_by_weight():
    servers = pool(("http://a/v1", 3), ("http://b/v1", 1), ("http://c/v1", 0))
    servers.chance = random.Random(7)
    first = Counter(next(servers.order()).client.upstream.url[7] for _ in range(4_000))
    assert first["c"] == 0
    assert first["a"] / first["b"] == pytest.approx(3, rel=0.15)


def test_a_failed_server_is_tried_again_after_its_pause_and_pauses_grow():
    servers = pool(("http://a/v1", 1), ("http://b/v1", 0))
    now = [100.0]
    servers.clock = lambda: now[0]
    one = servers.members[0]
    one.failed(now[0])
    one.failed(now[0])
    assert next(servers.order()) is servers.members[1]
    now[0] += 2.0
    assert next(servers.order()) is one
    for _ in range(20):
        one.failed(now[0])
    assert one.again - now[0] == 30.0
    one.answered()
    assert next(servers.order()) is one


def test_a_pool_can_do_what_every_member_can():
    both = Pool.of([(Upstream(NOBODY, dialect("chat"), prefill=True), 1), (Upstream(NOBODY, dialect("chat")), 1)])
    assert not both.upstream.prefill


def test_weights_are_read_behind_the_url():
    assert _weighed("http://a/v1") == ("http://a/v1", 1.0)
    assert _weighed("http://a/v1=0") == ("http://a/v1", 0.0)
    assert _weighed("http://a/v1?x=y=2.5") == ("http://a/v1?x=y", 2.5)
    with pytest.raises(UserError, match="URL=WEIGHT"):
        _weighed("pocket")
