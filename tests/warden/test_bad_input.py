"""Bad input gets one clear line and a closed door."""

from __future__ import annotations

import json
import random
import sqlite3

import pytest
from typer.testing import CliRunner

from adhere.core.errors import UserError
from adhere.warden import Act, Refused, canonical
from adhere.warden.acts.acts import rules_from
from adhere.warden.charter import charter as charters
from adhere.warden.charter import keys
from adhere.warden.charter.terms import parse_terms
from adhere.warden.orders import instructions


def refused(act, *arguments, **options):
    """The one line that `act` refuses with."""
    with pytest.raises(Refused) as caught:
        act(*arguments, **options)
    line = str(caught.value)
    assert line
    assert "\n" not in line
    assert len(line) < 700
    return line


def test_a_torn_charter_opens_nothing(house):
    path = house.folder / charters.FILE
    whole = path.read_bytes()
    rng = random.Random(1)
    for cut in [0, 1, len(whole) - 2, *(rng.randrange(len(whole)) for _ in range(20))]:
        path.write_bytes(whole[:cut])
        refused(house.open)
    path.write_bytes(whole)
    house.open().close()


def test_one_changed_byte_of_the_charter_changes_nothing_that_is_signed(house):
    path = house.folder / charters.FILE
    whole = path.read_bytes()
    signed = charters.load(house.folder).digest
    rng, opened, lines = random.Random(2), 0, []
    for place in (rng.randrange(len(whole) - 1) for _ in range(60)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(bytes(changed))
        try:
            with house.open() as warden:
                assert warden.charter.digest == signed, f"the charter was changed at byte {place}"
                opened += 1  # a third signature is torn, and two are enough
        except Refused as error:
            lines.append(str(error))
    assert opened < 60
    assert not [line for line in lines if "\n" in line]


def test_a_torn_or_missing_ledger_opens_nothing(house):
    path = house.folder / "ledger.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    try:
        with house.open() as warden:
            assert not warden.decide(Act("read_x")).allowed
    except Refused:
        pass
    path.write_bytes(b"not a database at all" * 100)
    refused(house.open)
    path.unlink()
    assert "missing" in refused(house.open)


def test_a_missing_latch_counts_as_a_stop(house):
    with house.open() as warden:
        house.instruct(warden)
        (house.folder / "latch").unlink()
        assert not warden.decide(Act("read_x")).allowed
    with house.open() as warden:
        assert warden.state().mode.value == "stopping"


def test_another_foundings_ledger_is_refused(founder):
    one, other = founder(name="one"), founder(name="other")
    (one.folder / charters.FILE).write_bytes((other.folder / charters.FILE).read_bytes())
    assert "not of one founding" in refused(one.open)


def test_an_envelope_of_ten_megabytes_is_not_even_parsed(house):
    with house.open() as warden:
        assert "10,485,760 bytes" in refused(warden.submit, b"[" * (10 << 20))
        assert warden.ledger.last(1)[0].kind != "refused"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"payload": 1}', b"[" * 5000, b'{"a": NaN}',
        b'{"payload":"","payloadType":"","signatures":[]}',
        b'{"payload":"e30=","payloadType":"application/vnd.adhere.statement+json","signatures":[]}',
        b'{"payload":"e30=","payload":"e30=","payloadType":"x","signatures":[]}',
        b'{"payload":"e30=","payloadType":"application/vnd.adhere.statement+json","signatures":[{"keyid":"a"}]}',
        b'{"payload":"e30=","payloadType":"application/vnd.adhere.statement+json","signatures":[],"more":1}',
    ],
)  # fmt: skip
def test_what_is_no_statement_is_refused(house, data):
    with house.open() as warden:
        refused(warden.submit, data)


def test_a_statement_with_a_field_nobody_knows_is_refused(house):
    with house.open() as warden:
        statement = warden.draft("instruct", seconds=99, text="x")
        body = statement.model_dump() | {"only_on_tuesdays": True}
        envelope = instructions.seal(statement)
        envelope.payload = canonical.dumps(body)
        instructions.sign(envelope, warden.charter, [house.keys["owner"], house.keys["deputy"]])
        assert "only_on_tuesdays" in refused(warden.submit, instructions.to_bytes(envelope))


def test_a_charter_with_a_field_nobody_knows_is_refused():
    assert "weekdays" in refused(parse_terms, {"warden": "0" * 64, "weekdays": 5}, "terms")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "[1]",
        '[{"tools": []}]',
        '[{"tools": ["x"], "then": "maybe"}]',
        '[{"tools": ["x"], "then": "allow", "wher": {}}]',
        '[{"tools": ["x"], "then": "allow", "where": {"a": {"up": 1}}}]',
    ],
)
def test_a_table_that_is_none_is_refused(text):
    refused(rules_from, text, "rules.json")


def test_a_key_of_the_wrong_kind_is_refused(tmp_path, house):
    pair = keys.write_pair(keys.generate(), tmp_path / "me")
    assert "private key" in refused(keys.load_public, pair[0])
    assert "public key" in refused(keys.load_signer, pair[1])
    (tmp_path / "x.key").write_text("hello")
    assert "not a PEM" in refused(keys.load_signer, tmp_path / "x.key")
    (tmp_path / "x.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    refused(keys.load_signer, tmp_path / "x.key")
    assert "never overwritten" in refused(keys.write_pair, keys.generate(), tmp_path / "me")
    with house.open() as warden:
        envelope = instructions.seal(warden.draft("stop", seconds=9))
        assert "no principal" in refused(instructions.sign, envelope, warden.charter, [keys.load_signer(pair[0])])


@pytest.mark.parametrize("kind", list(keys.KINDS))
def test_every_kind_of_key_signs_and_is_recognised(tmp_path, kind):
    try:
        signer = keys.generate(kind)
    except Refused as error:
        pytest.skip(str(error))
    secret, public = keys.write_pair(signer, tmp_path / kind)
    assert secret.stat().st_mode & 0o077 == 0
    assert keys.fingerprint(keys.load_public(public)) == keys.fingerprint(keys.load_signer(secret).public_key)
    keys.load_public(public).verify_signature(keys.load_signer(secret).sign(b"x"), b"x")


def test_a_clock_set_back_closes_the_door_but_not_to_a_stop(house):
    with house.open() as warden:
        house.instruct(warden)
        assert warden.decide(Act("read_x")).allowed
        house.clock.now -= 3600
        decision = warden.decide(Act("read_x"))
        assert (decision.failed, decision.reason) == (True, "clock")
        refused(house.instruct, warden)
        house.say(warden, "stop", "board")
        assert warden.state().mode.value == "stopping"


def test_an_old_clock_does_not_bring_an_expired_statement_back(house):
    with house.open() as warden:
        late = house.envelope(warden, "pause", "board", seconds=10)
        house.clock.now += 100
        warden.tick()
        house.instruct(warden)
        house.clock.now -= 96
        assert "expired" in refused(warden.submit, late)


def test_the_ledgers_own_writer_cannot_be_fooled_by_a_state_nobody_wrote(house):
    with house.open() as warden:
        house.instruct(warden)
    db = sqlite3.connect(house.folder / "ledger.db")
    db.execute("UPDATE fact SET value = 'nonsense' WHERE name = 'state'")
    db.commit()
    db.close()
    with house.open() as warden:
        decision = warden.decide(Act("read_x"))
        assert not decision.allowed
        assert decision.failed


@pytest.mark.parametrize(
    "words",
    [
        "key new x --kind dsa",
        "status",
        "instruct x",
        "charter init",
        "charter init --principal owner",
        "charter init --principal a=nowhere.pub",
        "stop",
        "ledger verify",
        "decide x {",
        "run -- true",
        "charter sign",
        "lease",
    ],
)
def test_the_command_line_answers_bad_input_with_one_line(tmp_path, monkeypatch, words):
    from adhere.cli.app import app

    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["warden", *words.split()])
    assert isinstance(result.exception, UserError), result.output
    assert "\n" not in str(result.exception)


def test_thresholds_that_nobody_can_reach_are_refused(tmp_path, monkeypatch):
    from adhere.cli.app import app

    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["warden", "key", "new", "owner"]).exit_code == 0
    result = runner.invoke(app, ["warden", "charter", "init", "--principal", "owner=owner.pub", "--amend", "2"])
    assert "from 1 to 1" in str(result.exception)
    assert not (tmp_path / "charter").exists()


def test_importing_the_warden_is_light():
    import subprocess
    import sys

    program = (
        "import sys, adhere.warden, adhere.warden.engine.warden\n"
        "heavy = {'torch', 'transformers', 'inspect_ai', 'numpy', 'mcp', 'cedarpy'} & set(sys.modules)\n"
        "print(json.dumps(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", "import json\n" + program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_a_new_private_key_does_not_lie_in_the_working_folder(tmp_path, monkeypatch):
    from adhere.cli.app import app
    from adhere.warden.charter import keys

    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["warden", "key", "new", "owner"]).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["owner.pub"]
    secret = keys.home_of_keys() / "owner.key"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert keys.home_of_keys().stat().st_mode & 0o077 == 0
    same = keys.fingerprint(keys.load_public(tmp_path / "owner.pub"))
    assert [keys.fingerprint(keys.load_signer(name).public_key) for name in ("owner", "owner.key")] == [same, same]


def test_a_namesakes_key_from_another_project_does_not_sign_a_charter(tmp_path, monkeypatch):
    from adhere.cli.app import app

    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["warden", "key", "new", "owner"]).exit_code == 0
    (tmp_path / "owner.pub").unlink()
    assert runner.invoke(app, ["warden", "key", "new", "owner", "--keys", "elsewhere"]).exit_code == 0
    done = runner.invoke(app, ["warden", "charter", "init", "--principal", "owner=owner.pub"])
    assert "it is NOT in force" in done.output
