"""Tardis CSV files to event arrays as a stream: text blocks in, rows out, memory flat whatever the length of the day."""
