"""The gateway as a process: an end that lets answers finish, a policy that is replaced, TLS, access log."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.gateway.fake import Fake, Turn

from adhere.api.gateway_server import Operation
from adhere.core.errors import UserError


class Served:
    """A running `adhere serve`: its address, process, and what it prints after it serves."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def waits_for(self, words: str) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for line in self.lines:
                if words in line:
                    return line
            time.sleep(0.02)
        raise AssertionError(f"{words!r} is not in {self.lines}")

    def ask(self, model: str, **options: object) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
        return httpx.post(f"{self.url}/chat/completions", json=body, timeout=60, **options)  # type: ignore[arg-type]


@contextlib.contextmanager
def served(fake: Fake, *options: str) -> Iterator[Served]:
    words = [sys.executable, "-m", "adhere", "serve", "--upstream", f"{fake.url}/v1", "--port", "0", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("serving "):
                break
        else:
            raise AssertionError(f"it did not serve: {lines}")
        yield Served(process, lines[-1].split()[1])
    finally:
        process.kill()
        process.wait()


def stream(gateway: Served, model: str, begun: threading.Event, ends: list[str]) -> None:
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    with httpx.stream("POST", f"{gateway.url}/chat/completions", json=body, timeout=60) as response:
        lines = response.iter_lines()
        first = next(lines)
        begun.set()
        ends.append("\n".join([first, *lines]))


def streaming(gateway: Served, model: str) -> tuple[threading.Thread, list[str]]:
    """A stream that has begun, and the list that its text will be in."""
    begun, ends = threading.Event(), list[str]()
    thread = threading.Thread(target=stream, args=(gateway, model, begun, ends), daemon=True)
    thread.start()
    assert begun.wait(60)
    return thread, ends


def test_a_stream_ends_by_itself_after_sigterm(fake: Fake):
    model = fake.says("drained", Turn(*["word "] * 40, pause=0.02))
    with served(fake, "--drain", "60") as gateway:
        thread, ends = streaming(gateway, model)
        gateway.process.send_signal(signal.SIGTERM)
        thread.join(60)
        gateway.process.wait(60)
        assert "[DONE]" in ends[0]
        assert ends[0].count("word ") == 40
        assert not any("Traceback" in line for line in gateway.lines)


def test_a_stream_that_is_too_long_for_the_drain_ends_with_an_error_event(fake: Fake):
    model = fake.says("cut", Turn(*["word "] * 100_000, pause=0.02))
    with served(fake, "--drain", "0.2") as gateway:
        thread, ends = streaming(gateway, model)
        gateway.process.send_signal(signal.SIGTERM)
        thread.join(60)
        gateway.process.wait(60)
        assert "shutting down" in ends[0]
        assert "[DONE]" not in ends[0]
        assert not any("Traceback" in line for line in gateway.lines)


def policy(path: Path, most: int, **fields: object) -> None:
    """A policy that allows so many words."""
    constraint = {"kind": "length.words", "at_most": most}
    record = {"routes": [{"constraints": [constraint], "handling": {"attempts": 0}}], **fields}
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps(record))  # JSON is YAML
    scratch.replace(path)


def test_a_replaced_policy_holds_for_new_requests_and_not_for_running_streams(fake: Fake, tmp_path):
    long = fake.says("running", Turn(*["word "] * 60, pause=0.05))
    short = fake.says("after", Turn("one two three"))
    file = tmp_path / "policy.yaml"
    policy(file, 100)
    with served(fake, "--policy", str(file)) as gateway:
        thread, ends = streaming(gateway, long)
        policy(file, 2)
        gateway.process.send_signal(signal.SIGHUP)
        gateway.waits_for("replaced: 1 routes")
        assert gateway.ask(short).status_code == 422
        thread.join(60)
        assert "[DONE]" in ends[0]
        file.write_text("routes: 7")
        gateway.process.send_signal(signal.SIGHUP)
        assert str(file) in gateway.waits_for("not replaced")
        assert gateway.ask(short).status_code == 422
        policy(file, 100, metrics="open")
        gateway.process.send_signal(signal.SIGHUP)
        gateway.waits_for("restart it to change them")


def test_a_watched_policy_is_read_again_when_its_file_changes(fake: Fake, tmp_path):
    short = fake.says("watched", Turn("one two three"))
    file = tmp_path / "policy.yaml"
    policy(file, 100)
    with served(fake, "--policy", str(file), "--watch") as gateway:
        assert gateway.ask(short).status_code == 200
        policy(file, 2)
        gateway.waits_for("replaced: 1 routes")
        assert gateway.ask(short).status_code == 422


def test_every_request_has_a_line_without_its_text(fake: Fake, tmp_path):
    model = fake.says("logged", Turn("the answer's words"))
    log = tmp_path / "access.jsonl"
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with served(fake, "--access-log", str(log)) as gateway:
        headers = {"authorization": "Bearer secret-key", "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        answer = gateway.ask(model, headers=headers)
        httpx.get(f"{gateway.url.removesuffix('/v1')}/nowhere%0A%7B")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["status"] for line in lines] == [200, 404]
    assert lines[0]["trace"] == trace
    assert lines[0]["id"] == answer.headers["x-request-id"]
    assert (lines[0]["model"], lines[0]["api"]) == (model, "chat")
    assert lines[0]["ended"].startswith("met;")
    for text in ("secret-key", "words", "Hello"):
        assert text not in log.read_text()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1."""
    import datetime
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "gateway")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*kinds))
    os.chmod(folder / "key.pem", 0o600)
    return folder / "cert.pem", folder / "key.pem"


def test_tls_is_served_and_a_client_without_a_certificate_is_refused(fake: Fake, certificate):
    cert, key = map(str, certificate)
    model = fake.says("tls", Turn("Hello."))
    trust = ssl.create_default_context(cafile=cert)
    with served(fake, "--tls-cert", cert, "--tls-key", key) as gateway:
        assert gateway.url.startswith("https://")
        assert gateway.ask(model, verify=trust).status_code == 200
    with served(fake, "--tls-cert", cert, "--tls-key", key, "--tls-client-ca", cert) as gateway:
        with pytest.raises(httpx.HTTPError):
            gateway.ask(model, verify=trust)
        trust.load_cert_chain(cert, key)
        assert gateway.ask(model, verify=trust).status_code == 200


def test_tls_files_that_do_not_fit_are_one_line(certificate, tmp_path):
    cert, key = certificate
    with pytest.raises(UserError, match="TLS cannot be served"):
        Operation(certificate=tmp_path / "none.pem", key=key).tls()
    with pytest.raises(UserError, match="--tls-cert"):
        Operation(key=key).tls()
    with pytest.raises(UserError, match="TLS cannot be served"):
        Operation(certificate=cert, key=cert).tls()


def test_a_model_that_does_not_come_up_is_one_line(monkeypatch, tmp_path):
    broken = tmp_path / "adhere-model"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    words = [sys.executable, "-m", "adhere", "serve", "--upstream", str(broken), "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip().splitlines()[-1]
