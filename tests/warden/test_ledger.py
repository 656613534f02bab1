"""The ledger's tree, its proofs and its checkpoints, against the RFC's words and a known signature."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from adhere.warden import Act, Refused
from adhere.warden.engine import witness
from adhere.warden.ledger import checkpoint, merkle, verify
from adhere.warden.ledger.checkpoint import Checkpoint, Verifier
from adhere.warden.ledger.ledger import Ledger

LEAVES = [merkle.leaf(bytes([n])) for n in range(70)]


def by_definition(leaves):
    """RFC 6962, section 2.1, read aloud."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def test_the_known_root_of_the_certificate_transparency_test_tree():
    data = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [merkle.leaf(bytes.fromhex(text)) for text in data]
    assert merkle.root(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 9, 33, 64, 65, 70])
def test_appending_gives_the_root_of_the_definition(size):
    peaks = merkle.Peaks()
    for hashed in LEAVES[:size]:
        peaks = peaks.append(hashed)
    assert peaks.root == by_definition(LEAVES[:size]) == merkle.root(LEAVES[:size])
    assert merkle.Peaks.from_bytes(size, peaks.to_bytes()) == peaks


@given(st.integers(1, 70), st.data())
@settings(max_examples=150, deadline=None)
def test_a_proof_of_inclusion_proves_its_leaf_and_no_other(size, data):
    index = data.draw(st.integers(0, size - 1))
    root = merkle.root(LEAVES[:size])
    proof = merkle.inclusion(LEAVES[:size], index)
    assert merkle.check_inclusion(LEAVES[index], index, size, proof, root)
    assert not merkle.check_inclusion(merkle.leaf(b"other"), index, size, proof, root)
    if size > 1:
        assert not merkle.check_inclusion(LEAVES[index], (index + 1) % size, size, proof, root)
        assert not merkle.check_inclusion(LEAVES[index], index, size, proof[:-1], root)
    assert not merkle.check_inclusion(LEAVES[index], index, size, [*proof, root], root)


@given(st.integers(1, 70), st.data())
@settings(max_examples=150, deadline=None)
def test_a_proof_of_consistency_holds_for_a_beginning_and_for_nothing_else(size, data):
    old = data.draw(st.integers(1, size))
    roots = merkle.root(LEAVES[:old]), merkle.root(LEAVES[:size])
    proof = merkle.consistency(LEAVES[:size], old)
    assert merkle.check_consistency(old, size, *roots, proof)
    rewritten = [merkle.leaf(b"rewritten"), *LEAVES[1:size]]
    if old < size:
        forged = merkle.consistency(rewritten, old)
        assert not merkle.check_consistency(old, size, roots[0], merkle.root(rewritten), forged)
        assert not merkle.check_consistency(old, size, roots[1], roots[1], proof)
    assert not merkle.check_consistency(old, size, merkle.leaf(b"x"), roots[1], proof)


def test_a_known_note_is_verified_and_a_changed_one_is_not():
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    line = f"\N{EM DASH} PeterNeumann {signature}\n"
    verifier = Verifier.from_text(key)
    assert verifier.to_text() == key
    with pytest.raises(Refused, match="not a checkpoint"):
        checkpoint.open_note(f"{text}\n{line}", [verifier])  # signed by its key, and no checkpoint of ours
    with pytest.raises(Refused, match="signature of PeterNeumann on the checkpoint is false"):
        checkpoint.open_note(f"{text.replace('you', 'we', 1)}\n{line}", [verifier])
    with pytest.raises(Refused, match="no signature of a key that is known"):
        checkpoint.open_note(f"{text}\n{line}", [Verifier("somebody", verifier.public)])


def test_a_checkpoint_is_read_back_by_both_readers():
    key = Ed25519PrivateKey.generate()
    made = Checkpoint("adhere.warden/agent/0123", 5, merkle.root(LEAVES[:5]))
    note = checkpoint.note(made, key)
    verifier = Verifier(made.origin, key.public_key().public_bytes_raw())
    assert checkpoint.open_note(note, [verifier]) == (made, (made.origin,))
    assert verify.open_note(note, [verifier.to_text()]) == (made.origin, 5, made.root, [made.origin])
    with pytest.raises(ValueError, match="false"):
        verify.open_note(note.replace("\n5\n", "\n6\n"), [verifier.to_text()])


@pytest.mark.parametrize("torn", ["", "\n\n", "origin\n5\n", "origin\n05\nAAAA\n\n\N{EM DASH} x AAAA\n", "a\n\nb\n"])
def test_what_is_no_checkpoint_is_refused(torn):
    with pytest.raises(Refused):
        checkpoint.open_note(torn, [])


def test_state_and_entry_commit_together_or_not_at_all(tmp_path):
    ledger = Ledger(tmp_path / "ledger.db", create=True)

    def half_way():
        with ledger.transaction(1.0) as transaction:
            transaction.append("x", {})
            transaction.put("state", "moved")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_way()
    assert ledger.get("state") is None
    assert ledger.peaks().size == 0
    ledger.append("y", {"n": 1}, 2.0)
    assert [entry.kind for entry in ledger.entries()] == ["y"]


def test_two_processes_worth_of_writers_make_one_chain(tmp_path):
    one = Ledger(tmp_path / "ledger.db", create=True)
    other = Ledger(tmp_path / "ledger.db")
    for n in range(20):
        assert (one if n % 2 else other).append("n", {"n": n}, float(n)) == n
    assert verify.verify(tmp_path / "ledger.db")[2] == []


def test_the_stand_alone_verifier_runs_without_the_program(house):
    with house.open() as warden:
        house.instruct(warden)
        warden.decide(Act("read_x"))
        note = witness.note(warden)
        key = witness.verifiers(warden)[0].to_text()
        path = warden.ledger.path
    (house.folder / "note").write_text(note)
    command = [sys.executable, "-I", verify.__file__, str(path), "--key", key, str(house.folder / "note")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 checkpoints" in done.stdout
    source = Path(verify.__file__).read_text(encoding="utf-8")
    assert "import adhere" not in source
    assert "from adhere" not in source


def test_git_and_processes_can_be_witnesses(founder, tmp_path):
    repo, store = tmp_path / "repo", tmp_path / "store"
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    script = tmp_path / "keeper.sh"
    script.write_text(
        f'case "$1" in publish) cat >> {store}; printf "\\n\\n" >> {store};;\n'
        f"list) cat {store} 2>/dev/null || true;; esac\n"
    )
    names = [f"git:{repo}", f"exec:sh {script}", "file:/nowhere/at/all"]
    house = founder(witnesses=names)
    with house.open() as warden:
        house.instruct(warden)
        for round_ in (1, 2):
            said = witness.publish(warden)
            assert said[names[0]] == said[names[1]] == "", said
            assert "No such file" in said[names[2]]
            for name in names[:2]:
                notes = witness.witness(name).notes()
                assert len(notes) == round_
                assert witness.check(warden, notes) == round_
        assert [e for e in warden.ledger.last(1) if e.kind == "checkpoint"]


def test_a_witness_cosigns_what_the_ledger_contains_and_nothing_else(founder):
    from adhere.warden.charter.charter import Grant

    house = founder(grants=(Grant("witness", 1, ("board",)),))
    with house.open() as warden:
        note = witness.note(warden)
        house.instruct(warden)
        signed = witness.cosign(warden, note, house.keys["board"])
        assert checkpoint.open_note(signed, witness.verifiers(warden))[1] == (witness.origin(warden), "board")
        with pytest.raises(Refused, match="role witness"):
            witness.cosign(warden, note, house.keys["owner"])
        with pytest.raises(Refused):
            witness.cosign(warden, note.replace("\n2\n", "\n1\n"), house.keys["board"])


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        (
            "CREATE TRIGGER quiet AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE seq = new.seq; END",
            "trigger 'quiet'",
        ),
        ("CREATE VIEW stands_in AS SELECT * FROM entry", "view 'stands_in'"),
    ],
)
def test_a_trigger_or_a_view_that_somebody_put_into_the_file_is_a_fault(house, statement, word):
    import sqlite3

    with house.open() as warden:
        house.instruct(warden)
        warden.decide(Act("read_x"))
        path = warden.ledger.path
    assert verify.verify(path)[2] == []
    with sqlite3.connect(path) as db:
        db.execute(statement)
    assert any(word in fault for fault in verify.verify(path)[2])
