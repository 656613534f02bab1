"""Processes under the warden: containment, running, control socket, verified stop, attestation."""
