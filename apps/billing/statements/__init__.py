"""Statements: all that moved a budget's money in a month; as page, PDF, CSV and JSON."""
