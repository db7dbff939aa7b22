"""Invoices to teams: drawn up, paid, credited, written down as files, and provable by whoever has them."""
