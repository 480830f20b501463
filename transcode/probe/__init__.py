"""What an upload is, learned by a child. Light to import: see `early`."""
