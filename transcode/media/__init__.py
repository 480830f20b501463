"""Facts of media that several stages need: one table each, no input or output."""
