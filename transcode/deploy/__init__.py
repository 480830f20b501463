"""What stands on a platform beside what the settings ask for."""
