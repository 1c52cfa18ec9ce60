"""The adapters that make the small default model good, and the scripts that make their training data."""
