"""Why this number: attributions that add up to what is displayed."""
