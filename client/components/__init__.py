"""The page's own parts for the browser: each a folder with its Python, JavaScript and style."""
