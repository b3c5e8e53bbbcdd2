"""What live processes share: values, order book synchroniser, venue adapters, shared memory link, bot client."""
