"""
Where objects live: a folder, or S3-compatible storage.

One protocol per need; a caller asks for the narrowest. `folder` and `s3` implement
them; `locate` and `destination` choose by the address.
"""
