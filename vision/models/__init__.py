"""Multimodal models: where they are reached, what they are given, and what went wrong, in plain words."""
