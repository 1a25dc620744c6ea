"""PyTorch as a framework of trainings."""
