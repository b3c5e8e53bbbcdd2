"""The connector's trading core against the simulated exchange's own cores: real bytes, no socket, a clock moved by hand."""
