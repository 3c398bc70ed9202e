"""What people send on purpose, and what becomes of it."""
