"""Keras as a framework of trainings."""
