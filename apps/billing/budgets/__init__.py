"""What may be spent: budgets, the holds that reserve from them, and limits below them."""
