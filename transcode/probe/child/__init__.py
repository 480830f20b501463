"""
The process that opens an upload to look at it: light, fenced, and killed when late.
"""
