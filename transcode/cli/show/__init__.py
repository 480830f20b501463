"""Values → text for a person in a terminal."""
