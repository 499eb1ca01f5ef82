"""The kernels in plain Python: the shortest text, read beside the paper, and the proof of the native ones."""
