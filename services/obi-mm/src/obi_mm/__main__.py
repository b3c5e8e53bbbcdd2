"""`python -m obi_mm`."""

from obi_mm.cli import main

main()
