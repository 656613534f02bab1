"""A gateway under a policy and a charter: authentication, approvals, journal, stop, canary."""
