"""`python -m venue_sim`."""

from venue_sim.cli import main

main()
