"""The HTML face: one file that opens from disk, asks nothing of any network and reads without JavaScript."""
