"""The chain as the Hive has seen it: read, reorganised, and held against the ledger."""
