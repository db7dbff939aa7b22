"""What `hive.<name>` gives: all of one kind, as the SDK reads and changes it. The rows are in `nouns`."""
