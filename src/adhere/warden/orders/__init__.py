"""What is in force: standing orders, signed instructions, the lease, approvals, and self-protection."""
