"""What live processes share: values, order book synchroniser, venue adapters, shared memory link, bot client."""

__version__ = "0.1.0"
