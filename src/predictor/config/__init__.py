"""What may be asked for: the config's and the dictionary's language, as pure data."""
