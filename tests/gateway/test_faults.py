"""An upstream that dies, stalls, babbles or overflows: nothing unchecked is delivered, and the client is told."""

from __future__ import annotations

import pytest
from tests.gateway.conftest import serve
from tests.gateway.fake import Fake, Turn
from tests.gateway.ways import WAYS, ask

from adhere.gateway.exchange import Unreadable
from adhere.gateway.hooks import Handling
from adhere.gateway.wire import sse

FAULTS = {
    "die": "upstream_broke_off",
    "half": "upstream_broke_off",
    "huge": "unreadable_answer",
    "garbage": "unreadable_answer",
    "event": "unreadable_answer",
    "stall": "upstream_silent",
}


@pytest.mark.parametrize("way", ["chat-whole", "chat-streamed", "responses-streamed", "messages-streamed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_and_nothing_after_it_is_delivered(fake: Fake, fault: str, way: str) -> None:
    silence = 0.3 if fault == "stall" else 5.0
    with serve(fake, Handling(attempts=1), silence_seconds=silence) as url:
        got = ask(url, way, fake.says(f"{fault}-{way}", Turn("one ", "two ", "three ", "four", fault=fault)))
    whole = {"die": "unreadable_answer", "half": "unreadable_answer"}
    assert got.error == (whole.get(fault, FAULTS[fault]) if way.endswith("whole") else FAULTS[fault])
    assert got.report is None
    assert "swordf" not in repr(got)
    assert "four" not in got.text


@pytest.mark.parametrize("way", WAYS)
def test_an_upstream_that_died_is_asked_to_go_on(fake: Fake, way: str) -> None:
    with serve(fake, prefill=True) as url:
        turns = (Turn("one ", "two ", "three ", fault="die"), Turn(" three."))
        got = ask(url, way, fake.says(f"revived-{way}", *turns))
    if way.endswith("whole"):
        assert got.error == "unreadable_answer"
    else:
        assert got.text in ("one two three.", "one two  three.")
        assert [a["kind"] for a in got.report["attempts"]] == ["ask", "continue"]


def test_nobody_answers(fake: Fake) -> None:
    gone = Fake()
    gone.url = "http://127.0.0.1:9"
    with serve(gone) as url:
        got = ask(url, "chat-streamed", "m")
    assert (got.error, got.status) == ("upstream_unreachable", 503)


@pytest.mark.parametrize(
    ("status", "told"), [(400, 400), (401, 502), (404, 404), (429, 429), (500, 502), (503, 503), (302, 502)]
)
def test_what_an_upstream_says_in_an_error_is_not_handed_on(fake: Fake, gateway: str, status: int, told: int) -> None:
    got = ask(gateway, "chat-whole", fake.says(f"status-{status}", Turn(status=status)))
    assert got.status == told
    assert "swordfish" not in repr(got)


def test_a_busy_upstream_is_asked_again(fake: Fake, gateway: str) -> None:
    assert ask(gateway, "chat-whole", fake.says("busy", Turn(status=503), Turn("here"))).text == "here"


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
def test_events_are_read_however_they_are_cut(cut: int) -> None:
    raw = (
        b": hello\n\nevent: a\r\ndata: one\r\n\r\ndata: two\ndata: three\n\nid: 7\ndata:four\r\r"
        b"data: caf\xc3\xa9\n\ndata: never ended"
    )
    reader = sse.Reader()
    events = [event for at in range(0, len(raw), cut) for event in reader.feed(raw[at : at + cut])]
    assert events == [sse.Sent("a", "one"), sse.Sent("", "two\nthree"), sse.Sent("", "four"), sse.Sent("", "café")]


def test_an_endless_event_is_refused_before_it_is_kept() -> None:
    for line in (b"x" * 65536, b"data: y\n" * 8192):
        reader = sse.Reader()
        with pytest.raises(Unreadable):
            _ = [list(reader.feed(line)) for _ in range(100)]
        kept = len(reader._rest) + sum(map(len, reader._data))
        assert kept <= 2 * sse.LARGEST
