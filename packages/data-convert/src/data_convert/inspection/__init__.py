"""A quick look at any file: what it is, its head, its counts, the book at an instant."""
