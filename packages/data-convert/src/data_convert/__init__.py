"""Market data recordings and vendor files to HftBacktest event arrays."""
