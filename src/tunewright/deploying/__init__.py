"""Deploying: what is handed over, and how it runs elsewhere."""
