"""Order books: the synchroniser of one symbol's update stream, its rules per venue, and the book itself."""
