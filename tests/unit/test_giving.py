"""Files that people give."""

import pytest
import streamlit as st
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import DeletedFile, UploadedFile, UploadedFileRec

from client import giving

NEW = UploadedFile(UploadedFileRec("2", "photo.jpg", "image/jpeg", b"photo"), FileURLs())
TAKEN = DeletedFile("1")


@pytest.mark.parametrize(
    ("value", "found"),
    [(None, []), (NEW, [NEW]), (TAKEN, []), ([], []), ([TAKEN, NEW], [NEW]), ([TAKEN], [])],
)
def test_files_that_were_taken_before_are_passed_over(
    monkeypatch: pytest.MonkeyPatch, value: object, found: list[UploadedFile]
) -> None:
    """Streamlit reports them again when a page that was left at once is drawn anew."""
    monkeypatch.setattr(st, "session_state", {"uploader": value})
    assert giving.given_by("uploader") == found
    if not found:  # the page is as it was
        giving._keep_uploads("uploader")
        giving._keep_picture("uploader")
        assert st.session_state == {"uploader": value}
