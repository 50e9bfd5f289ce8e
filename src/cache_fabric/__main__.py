"""``python -m cache_fabric``: the command line."""

from cache_fabric.cli import main

main()
