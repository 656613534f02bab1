"""An older copy of the charter's folder that is put back undoes no stop and revives no approval."""

from __future__ import annotations

import shutil

import pytest

from adhere.warden.canonical import Refused
from adhere.warden.engine import high_water, witness
from adhere.warden.ledger.ledger import Ledger
from adhere.warden.orders.orders import Mode
from adhere.warden.supervision import running


def put_back(house, backup):
    """Restore file by file in place, so that the folder is the same home to the lease."""
    for file in house.folder.iterdir():
        if (backup / file.name).exists():
            file.write_bytes((backup / file.name).read_bytes())
        else:
            file.unlink()


@pytest.fixture
def stopped(house):
    """A house after a stop, and a backup from before."""
    with house.open() as warden:
        house.instruct(warden)
    backup = house.folder.parent / "backup"
    shutil.copytree(house.folder, backup)
    with house.open() as warden:
        house.say(warden, "stop", "board")
        running.finish_stop(warden)
    return house, backup


def test_a_backup_that_undoes_a_stop_is_refused(stopped):
    house, backup = stopped
    put_back(house, backup)
    with house.open() as warden:
        assert warden.state().mode is Mode.RUNNING, "the attack works but for the mark"
        with pytest.raises(Refused, match="an older copy was put back") as refused:
            running.run(warden, ["true"])
        assert refused.value.reason == "rollback"
        with pytest.raises(Refused, match="an older copy"):
            high_water.refuse_rollback(warden)
        high_water._path(warden).unlink()
        high_water.refuse_rollback(warden)


def test_a_mark_that_cannot_be_read_refuses(house):
    with house.open() as warden:
        high_water.refuse_rollback(warden)
        high_water._path(warden).write_text("{}")
        with pytest.raises(Refused, match="the mark cannot be read"):
            high_water.refuse_rollback(warden)


def test_a_ledger_shorter_than_its_witness_saw_is_refused(founder, tmp_path):
    house = founder(witnesses=(f"file:{tmp_path / 'elsewhere'}",))
    backup = tmp_path / "backup"
    shutil.copytree(house.folder, backup)
    with house.open() as warden:
        house.instruct(warden)
        assert witness.publish(warden) == {f"file:{tmp_path / 'elsewhere'}": ""}
        high_water.refuse_rollback(warden)
        high_water._path(warden).unlink()
    put_back(house, backup)
    with house.open() as warden, pytest.raises(Refused, match="cut short"):
        high_water.refuse_rollback(warden)


def test_a_mark_only_rises(house):
    with house.open() as warden:
        high_water.raise_mark(warden)
        before = high_water._read(high_water._path(warden))
        assert isinstance(warden.ledger, Ledger)
        house.instruct(warden)
        high_water.raise_mark(warden)
        after = high_water._read(high_water._path(warden))
    assert after[1] > before[1]
    assert after[0] == before[0]
