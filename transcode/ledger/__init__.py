"""What was done and what it cost: written once, asked for ever after."""
