"""Diagrams: what is read on an image, and answers that rest on it."""
