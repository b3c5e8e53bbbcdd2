"""The exchange daemon: market data in, shared memory out."""
