"""The double-entry ledger: accounts, immutable transfers, and what they add up to."""
