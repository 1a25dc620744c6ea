"""Training of neural networks: what is shared by the frameworks, and a file or two for each."""
