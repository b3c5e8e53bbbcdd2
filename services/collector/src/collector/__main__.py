"""Lets `python -m collector` run the command."""

from collector.cli import main

main()
