"""Coded checks P001 …: leaks that are suspected before the first fit, and what a finished training has to answer."""
