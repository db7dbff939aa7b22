"""One file per command of `hive`."""
