"""Public halves of the venues: a venue is constants plus pure functions, a variant is another row."""
