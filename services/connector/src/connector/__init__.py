"""The exchange daemon: holds an exchange's streams, keeps its books in sync, and publishes everything over shared memory."""

__version__ = "0.1.0"
