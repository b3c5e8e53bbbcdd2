"""The link between connector, collectors and bots: the wire (bytes), the port (what cores see), and its two ends."""
