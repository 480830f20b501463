"""
What the platforms call: event in, one call, what became of it out.

Installed, and by a link in a checkout, it is `transcode.handlers`.
"""
