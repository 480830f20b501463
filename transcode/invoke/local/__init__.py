"""Attempts as child processes of this machine, each held to its spec."""
