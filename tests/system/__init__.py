"""The whole path with real processes: exchange, connector, collectors, bots."""
