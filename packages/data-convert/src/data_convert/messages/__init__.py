"""Decoded messages in columns, and what of them is emitted when: ids, snapshots, gaps, judgement by quotes."""
