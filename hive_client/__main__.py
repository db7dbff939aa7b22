"""`python -m hive_client`: the `hive` command."""

from hive_client.cli import main

main()
