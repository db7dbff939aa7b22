"""What can go wrong before the Hive runs."""


class StackError(Exception):
    """A server could not be started. The message is for the user: the place, what is wrong, what to do."""
