"""A simulated exchange on loopback: REST and websocket, replayed or synthetic, with scripted faults."""
