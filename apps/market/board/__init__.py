"""What hangs out on the market for everybody to read: the book, by runtime and region, and its depth."""
