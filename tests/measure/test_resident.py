"""Resident peaks of several processes."""

import subprocess
import sys

import psutil

from touchstone.measure.devices.resident import peak_resident, reset_peaks


def test_peaks_of_a_family_are_added_up_and_one_that_is_gone_is_left_out():
    own = psutil.Process()
    with subprocess.Popen([sys.executable, "-c", "held = bytearray(64 << 20); print(flush=True); input()"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        other = psutil.Process(child.pid)
        alone, both = peak_resident([other]), peak_resident([own, other])
        assert alone > 64 << 20
        assert both >= alone + (10 << 20)
        reset_peaks([own, other])
    assert peak_resident([other]) is None
    reset_peaks([other])
    assert peak_resident([]) is None
