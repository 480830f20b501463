"""What `transcode bench` measures, and the one report that all of it gives."""
