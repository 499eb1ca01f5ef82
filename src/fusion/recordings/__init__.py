"""Recordings on disk: NanoStore's exports are read, the project's own format is read and written."""

from fusion.errors import RecordingError
from fusion.recordings.recording import ReaderNote, Recording, open_recording, write_recording

__all__ = ["ReaderNote", "Recording", "RecordingError", "open_recording", "write_recording"]
