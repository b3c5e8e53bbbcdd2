"""Records market data, from the exchange or from a running connector."""
