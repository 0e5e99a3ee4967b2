"""The pools that users create: one file for each kind of worker."""
