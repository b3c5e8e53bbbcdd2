"""Long runs with real processes: `make soak`. Shorter with SOAK_SECONDS and the like; each file says which."""
