"""Doubts every result before it is called done."""
