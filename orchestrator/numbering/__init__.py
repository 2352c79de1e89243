"""Who has which number: a company's directory with its indexes, and public numbers in their many spellings."""
