"""What the runtimes of this machine's own programs share: a payload under a guard, between walls."""
