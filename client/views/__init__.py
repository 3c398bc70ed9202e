"""One script for each page; `app.py` lists them."""
