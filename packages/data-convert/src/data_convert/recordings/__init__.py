"""Recordings of exchanges and connectors to event arrays: whose lines they are, their messages, the array."""
