"""Tabs that have gone are forgotten; that they are is tested in tests/browser/test_page.py."""

import subprocess
import sys

SLOW_START = """
import threading, time
from streamlit.runtime import Runtime, RuntimeConfig
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from client import forgetting
Runtime(RuntimeConfig("app.py", None, MemoryMediaFileStorage("/media"), MemoryUploadedFileManager("/upload")))
forgetting.start(0.04)
time.sleep(0.3)
print([each.name for each in threading.enumerate()])
"""


def test_it_waits_for_a_server_that_takes_long_to_start() -> None:
    """Or nothing would ever be forgotten."""
    run = subprocess.run([sys.executable, "-c", SLOW_START], capture_output=True, text=True, check=True)
    assert "forgetting" in run.stdout, run.stderr
