"""What may be reached: addresses parsed once, files opened beneath, one http client."""
