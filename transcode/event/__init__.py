"""Notifications → uploads, one file per dialect."""
