"""
What can be bought where: lattices, limits, dated prices; and what this machine is.
"""
