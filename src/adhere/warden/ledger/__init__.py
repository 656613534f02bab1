"""The append-only ledger: Merkle tree, checkpoints, verification, and the latch of a stop."""
