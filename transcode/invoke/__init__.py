"""Where things run, repeat and give up. Light to import: see `early`."""
