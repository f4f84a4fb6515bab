"""One small module per file format; each gives a table of text."""
