"""A script a page; `app.py` says which."""
