"""Where replicas go: the book as columns, who could serve, in which order, and why."""
