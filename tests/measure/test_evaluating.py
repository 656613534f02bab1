"""Running a task: a limit draws, and the same seed draws the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from inspect_ai import Task
from inspect_ai.dataset import Sample
from inspect_ai.model import get_model
from inspect_ai.scorer import match
from inspect_ai.solver import generate

from adhere.core.errors import UserError
from adhere.measure.evaluating import evaluate
from adhere.measure.model_access import resolve


def _asked(folder: Path, seed: int) -> list[str]:
    task = Task([Sample(id=k, input=f"{k}", target="x") for k in range(1, 41)], solver=generate(), scorer=match())
    log = evaluate(get_model("mockllm/model", memoize=False), folder, task, limit=6, seed=seed)
    return sorted(str(sample.id) for sample in log.samples or [])


def test_a_limit_draws_with_the_seed_and_takes_not_the_first(tmp_path: Path) -> None:
    first = _asked(tmp_path / "a", 0)
    assert len(first) == 6
    assert first != sorted(str(k) for k in range(1, 7))
    assert _asked(tmp_path / "b", 0) == first
    assert _asked(tmp_path / "c", 1) != first


def test_a_server_that_is_not_there_is_named_before_anything_is_asked() -> None:
    with pytest.raises(UserError, match=r"nothing answers at 127\.0\.0\.1:9"):
        resolve("http://127.0.0.1:9/v1")


@pytest.mark.parametrize(("name", "served"), [("#b", "openai-api/server/b"), ("", None), ("#c", None)])
def test_a_server_of_several_models_wants_one_named(name: str, served: str | None) -> None:
    import http.server
    import threading

    class Models(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"data": [{"id": "a"}, {"id": "b"}]}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Models) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/v1{name}"
        if served is None:
            with pytest.raises(UserError, match="serves a, b"):
                resolve(url)
        else:
            assert str(resolve(url)) == served
        server.shutdown()
