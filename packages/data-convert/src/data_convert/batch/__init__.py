"""Many symbols and days through an executor."""
