"""What people read: plain data first, then a page."""
