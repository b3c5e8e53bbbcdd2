"""`python -m data_convert` is the command `data-convert`."""

from data_convert.cli import main

main()
