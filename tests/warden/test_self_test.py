"""What an agent would reach outside its place: keys, doors, the network; and the self-test from inside."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from adhere.warden.canonical import Refused
from adhere.warden.supervision import attest, escape_attempts, running, self_test, supervisor, surroundings
from adhere.warden.supervision.posture import posture
from adhere.warden.supervision.supervisor import Limits, Supervisor

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="process containment of Linux"),
    pytest.mark.skipif(not supervisor.has_namespaces(pid=False), reason="no namespaces for this user"),
]
USERS = [
    pytest.param(None, id="same user"),
    pytest.param((65534, 65534), id="nobody", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root")),
]


@pytest.mark.parametrize("user", USERS)
def test_no_escape_succeeds_from_inside_the_agents_place(tmp_path, user):
    charter, key = tmp_path / "charter", tmp_path / "owner.key"
    charter.mkdir()
    (charter / "secret").write_text("secret")
    key.write_text("secret")
    report = self_test.attempt_escapes(hide=[charter, key], user=user, network="none")
    assert report.fault == ""
    assert len(report.answers) >= 14
    assert report.escapes == ()


def test_an_escape_that_succeeds_is_reported(tmp_path):
    """Without hiding, the file is readable; without a network of its own, a route may be there."""
    key = tmp_path / "owner.key"
    key.write_text("secret")
    escape_attempts.main(str(tmp_path / "result"), {"hidden": [str(key)], "network": "all"})
    assert '"read what is hidden": "succeeded"' in (tmp_path / "result").read_text()
    report = self_test.EscapeReport({"read what is hidden": escape_attempts.SUCCEEDED, "mount": "not permitted"})
    assert report.open == ("the agent can read what is hidden",)


def test_a_self_test_that_cannot_run_verifies_nothing(monkeypatch):
    monkeypatch.setattr(self_test, "_run_to_its_end", lambda *_, **__: (_ for _ in ()).throw(OSError("no")))
    report = self_test.attempt_escapes()
    assert report.answers == {}
    assert "nothing is verified" in report.open[0]


REACH = """
import socket, sys
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname(), timeout=5)
"""


@pytest.mark.parametrize(("network", "reaches_itself"), [("none", False), ("loopback", True)])
def test_a_network_of_its_own_reaches_nobody_else(network, reaches_itself):
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"
        for program, reached in ((code, False), (REACH, reaches_itself)):
            with Supervisor([sys.executable, "-c", program], network=network) as run:
                ended = run.poll(30)
            assert ended is not None
            assert (ended.status == 0) == reached, program


def test_a_network_that_nobody_knows_is_refused():
    with pytest.raises(Refused, match="no network 'some'"):
        Supervisor(["true"], network="some")


def test_keys_of_principals_are_found_by_their_material(house, people, tmp_path):
    from securesystemslib.signer import CryptoSigner

    folder = tmp_path / "project" / "deep"
    folder.mkdir(parents=True)
    owners = folder / "notes.txt"
    owners.write_bytes(people["owner"].private_bytes)
    (folder / "server.key").write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    (folder / "link.key").symlink_to(owners)
    with house.open() as warden:
        found = surroundings.private_keys(warden.charter, [tmp_path], without=[house.folder])
        assert found.paths == (owners,)
        assert found.complete
        everything = surroundings.private_keys(warden.charter, [tmp_path])
        assert house.folder / "warden.key" in everything.paths


def test_a_search_for_keys_that_ends_early_says_so(house, tmp_path, monkeypatch):
    monkeypatch.setattr(surroundings, "MOST_FILES", 1)
    with house.open() as warden:
        assert not surroundings.private_keys(warden.charter, [tmp_path]).complete


def test_a_terminal_server_that_was_there_before_is_a_door(tmp_path, monkeypatch):
    folder = tmp_path / f"tmux-{os.geteuid()}"
    folder.mkdir()
    monkeypatch.setenv("TMUX_TMPDIR", str(tmp_path))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder / "default"))
        server.listen()
        closed, left = surroundings.doors(None)
        assert [door.path for door in closed if door.daemon == "tmux"] == [folder / "default"]
        assert left == []
        closed, left = surroundings.doors(None, left_open=[folder / "default"])
        assert [door.daemon for door in left] == ["tmux"]
        code = f"import socket; socket.socket(socket.AF_UNIX).connect({str(folder / 'default')!r})"
        for hide, status in (([], 0), ([folder / "default"], 1)):
            with Supervisor([sys.executable, "-c", code], hide=hide) as run:
                ended = run.poll(30)
            assert ended is not None
            assert ended.status == status


def test_limits_are_set_where_there_is_a_cgroup_and_missed_where_not(tmp_path):
    assert Limits().apply(None) == ("processes and memory are not limited: no cgroup",)
    if supervisor.available()["cgroup"]:
        with Supervisor(["sleep", "9"], limits=Limits(processes=77)) as run:
            assert run.cgroup is not None
            limited = run.cgroup / "pids.max"
            assert limited.read_text().strip() == "77" if limited.exists() else run.unlimited


def test_a_key_of_another_user_is_not_readable_by_the_agent(tmp_path):
    key = Path(tmp_path / "k")
    key.write_text("x")
    key.chmod(0o600)
    assert surroundings.readable_by(key, None)
    assert not surroundings.readable_by(key, (65533, 65533))
    key.chmod(0o604)
    assert surroundings.readable_by(key, (65533, 65533))


def key_beside(house, people):
    key = house.folder.parent / "owner.key"
    key.write_bytes(people["owner"].private_bytes)
    return key


def test_a_run_hides_a_principals_key_that_lies_in_the_working_folder(house, people):
    key = key_beside(house, people)
    code = f"import sys; sys.exit(7 if open({str(key)!r}).read() else 0)"
    with house.open() as warden:
        house.instruct(warden)
        ended = running.run(warden, [sys.executable, "-c", code])
        entry = next(entry for entry in warden.ledger.entries() if entry.kind == "run")
    assert ended.status in (0, 1)
    assert entry.body["keys_hidden"] == [str(key)]
    assert entry.body["open"] == []


def test_a_run_that_cannot_hide_a_readable_key_is_refused(house, people, monkeypatch):
    key = key_beside(house, people)
    monkeypatch.setattr(supervisor, "has_namespaces", lambda **_: False)
    with house.open() as warden:
        house.instruct(warden)
        with pytest.raises(Refused, match="private keys") as refused:
            running.run(warden, ["true"], methods=("subreaper",))
        assert refused.value.reason == "key-readable"
        key.unlink()
        assert running.run(warden, ["true"], methods=("subreaper",)).status == 0


def test_a_stop_is_weaker_where_a_door_was_open(house, monkeypatch):
    door = surroundings.Door("docker", Path("/run/docker.sock"))
    monkeypatch.setattr(surroundings, "doors", lambda *_, **__: ([], [door]))
    with house.open() as warden:
        house.instruct(warden)

        def stop(_):
            house.say(warden, "stop", "board")

        body = running.run(warden, ["sleep", "100"], on_start=stop).attestation.body
    assert body["verified_empty"]
    assert body["weaker"]
    assert body["reach"]["doors"] == ["docker (/run/docker.sock)"]
    assert any("docker" in line for line in attest.lines(body))


def test_posture_says_yes_only_to_what_was_tried_from_inside(house, monkeypatch):
    with house.open() as warden:
        lines = {line.what: line.status for line in posture(warden)}
        assert lines["escape self-test"] == "yes"
        monkeypatch.setattr(self_test, "attempt_escapes", lambda **_: self_test.EscapeReport(fault="no python"))
        lines = {line.what: line.status for line in posture(warden)}
        assert lines["escape self-test"] == "no"
        assert lines["stop under `adhere warden run`"] != "yes"
        assert lines["charter out of the agent's reach"] != "yes"


UNPRIVILEGED = """
import pathlib, sys, tempfile
from adhere.warden.supervision import self_test, supervisor
if not supervisor.has_namespaces(pid=True):
    sys.exit(77)
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "secret").write_text("secret")
for methods in (None, ("subreaper",)):
    report = self_test.attempt_escapes(hide=[folder], network="none", methods=methods)
    assert len(report.answers) >= 14, report
    assert report.open == (), report
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user; an unprivileged run of this file tries the same")
def test_no_escape_succeeds_where_the_warden_itself_is_unprivileged():
    python = "/usr/bin/python3"
    modern = "import sys; sys.exit(sys.version_info < (3, 11))"
    if not os.path.exists(python) or subprocess.run([python, "-c", modern], check=False).returncode:
        pytest.skip("no Python 3.11 that another user may run")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        shutil.copytree(
            Path(supervisor.__file__).parents[2], f"{folder}/adhere", ignore=shutil.ignore_patterns("*.safetensors")
        )
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        done = subprocess.run(
            [python, "-B", "-c", UNPRIVILEGED],
            user=65534,
            group=65534,
            extra_groups=[],
            cwd="/tmp",
            env={"PYTHONPATH": folder, "HOME": "/tmp", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    if done.returncode == 77:
        pytest.skip("no namespaces for an unprivileged user")
    assert done.returncode == 0, done.stderr
