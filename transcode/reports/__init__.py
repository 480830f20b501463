"""Records → what a person wants to know of them: totals, bills, comparisons, advice."""
