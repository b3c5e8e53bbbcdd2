"""Public archives and vendors' files without receive times to event arrays."""
