"""Where a job's time went, for who collects traces; nothing where nobody does."""
