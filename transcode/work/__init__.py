"""Task → artifacts: whatever touches pixels, packets or a child process."""
