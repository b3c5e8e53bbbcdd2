"""Bytes in and out: whole text of files in any state, event files that appear whole or not at all, object stores."""
