"""A month of a Hive's money in seconds: told as a story, played on real servers, written down as books."""
