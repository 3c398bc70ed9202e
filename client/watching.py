"""A video on the page: given, analysed while the page goes on, shown."""

import streamlit as st

from emotion.contract import Detail


def show(threshold: float, detail: Detail) -> None:
    st.write("…")
