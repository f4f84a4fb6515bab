"""What was known at baseline."""
