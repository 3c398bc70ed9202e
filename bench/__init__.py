"""Benchmarks; performance claims live here, not in timed tests."""
