"""Hypernetworks: what they compute, and their files."""
