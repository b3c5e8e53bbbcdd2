"""The compiled step from a depth frame to the link's samples (docs/link.md, The short way)."""
