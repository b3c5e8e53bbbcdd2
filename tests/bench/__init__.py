"""`make bench`: the live path measured with real processes, beside the goals."""
