"""How good, how sure, compared with what."""
