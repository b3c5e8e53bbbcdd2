"""An order book imbalance market maker on marketlink."""
