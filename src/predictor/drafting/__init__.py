"""A first dictionary and config from an export: every guess is marked, and training waits until each is confirmed."""
