"""Event rows and books: both clocks' orders, replays, what is made of finished arrays. Knows no format."""
