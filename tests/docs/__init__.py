"""The commands of README and docs, pasted line by line into a fresh clone."""
