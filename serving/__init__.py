"""Starts the real parts on one machine: TorchServe alone, or with the Streamlit client."""
