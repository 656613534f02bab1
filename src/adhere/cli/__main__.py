"""`python -m adhere.cli` is `adhere`."""

from adhere.cli import main

main()
