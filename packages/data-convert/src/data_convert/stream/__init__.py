"""Conversion as a stream: text blocks in, packed blocks out, memory flat whatever the length of the day."""
