"""What leaves the Hive's wallet: signed and stored before it is sent, and followed until it is final."""
