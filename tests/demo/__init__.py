"""The demonstration: exchange, connector, collectors and converter as real processes, watched, stopped in order, and checked."""
