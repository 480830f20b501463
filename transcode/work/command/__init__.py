"""Recipe → the argument vector of ffmpeg, each argument with its reason; pure."""
