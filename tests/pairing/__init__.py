"""Every pairing of connector, bot and collector, ours and the source's: see `python -m tests.pairing --help`."""
