"""The service of a clinic: sign in, fill in a form, read a report, and leave a trace that cannot be changed unseen."""
