"""Who is asked about, from when, and what happened to them."""
