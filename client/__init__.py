"""The Streamlit client; it knows the service only by its HTTP contract."""
