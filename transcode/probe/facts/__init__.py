"""What the child saw → what is true of the media; pure."""
