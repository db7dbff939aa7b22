"""`python -m hive_client`: the `hive` command without its script on PATH."""

from hive_client.cli import main

main(prog_name="hive")
