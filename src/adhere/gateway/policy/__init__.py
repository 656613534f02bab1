"""The policy file: routes, constraints, monitors and what happens when they fire."""
