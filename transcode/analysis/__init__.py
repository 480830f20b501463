"""What runs before a plan is final, since it tells what the plan is to be."""
