"""What the platforms call: event in, one call, what became of it out."""
