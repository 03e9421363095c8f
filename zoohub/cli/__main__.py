"""`python -m zoohub.cli`."""

from zoohub.cli.main import main

main()
