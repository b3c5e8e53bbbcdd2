"""O(1) streaming factors over order books: rolling moments, imbalance, volatility, stop loss."""
