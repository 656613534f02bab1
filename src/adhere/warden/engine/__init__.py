"""The state machine: founding, deciding, statements, review, succession, and the `Warden` that holds them."""
