"""What a process that touches strangers' bytes may still do."""
