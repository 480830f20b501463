"""Media + profile + platform + constraints → Plan; pure."""
