"""`make bench`: the live path measured with real processes, factors and strategy, beside the goals."""
