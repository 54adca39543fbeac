"""What recorded outputs do not show: outputs put together, forms of missing, notes, hostile text."""

from __future__ import annotations

import pytest
from recorded_listings import lines_of, text_of

from touchstone.smi import LARGEST_BYTES, UNREADABLE, decoded, read_listing


def lines(text):
    return lines_of(read_listing(text))


def notes(text):
    return [str(note) for note in read_listing(text).notes]


def test_several_outputs_of_one_device_are_put_together():
    text = "\n".join(["$ npu-smi info", text_of("info-25.2.0-A3-2npu-4die-proc.txt"), "$ npu-smi info -m", text_of("mapping-m-A3-mcu.txt"),
                      "$ npu-smi info -t health -i 1 -c 1", "        Health Status                  : Warning", "        Error Code  : 80E01801"])
    assert lines(text)[3] == "3 | 1 | 1 | Ascend910 | Warning | - | 38 | 0 | 10568 | 65536 | 0000:39:00.0"
    assert len(read_listing(text).devices) == 4


def test_blocks_without_a_table_are_put_together():
    text = "\n\n".join(map(text_of, ("usages-25.5.1-910B.txt", "temp-25.5.1-910B.txt", "power-25.5.1-910B.txt", "proc-mem-2chip.txt")))
    assert lines(text)[0] == "- | 0 | 0 | - | - | 103.5 | 39 | 0 | - | 65536 | -"


def test_a_block_without_a_number_belongs_to_the_command_above_it():
    assert lines("# npu-smi info -t memory -i 5 -c 1\n" + text_of("memory-910B-64G-fragment.txt")) == ["- | 5 | 1 | - | - | - | - | - | - | 65536 | -"]
    assert lines("# npu-smi info -t power -i 5\nNPU Real-time Power(W) : 90.1\n# npu-smi info -t power -i 6\nNPU Real-time Power(W) : 91.2") == [
        "- | 5 | - | - | - | 90.1 | - | - | - | - | -", "- | 6 | - | - | - | 91.2 | - | - | - | - | -"]


def test_blocks_that_lost_their_empty_lines_are_told_apart_by_names_that_repeat():
    first = "NPU ID : 3\nChip Count : 2\nChip ID : 0\nAicore Usage Rate(%) : 1\nChip ID : 1\nAicore Usage Rate(%) : 2\nChip Name : mcu\nTemperature(C) : 40"
    last = "NPU ID : 3\nChip Count : 2\nAicore Usage Rate(%) : 1\nChip ID : 0\nAicore Usage Rate(%) : 2\nChip ID : 1"
    assert lines(first) == lines(last) == ["- | 3 | 0 | - | - | - | - | 1 | - | - | -", "- | 3 | 1 | - | - | - | - | 2 | - | - | -"]


def test_the_power_of_a_card_with_two_chips_is_of_neither():
    text = "NPU ID : 2\n\nChip ID : 0\nTemperature(C) : 40\n\nChip ID : 1\nTemperature(C) : 41\n\nChip Name : mcu\nNPU Real-time Power(W) : 71.5"
    assert lines(text) == ["- | 2 | 0 | - | - | - | 40 | - | - | - | -", "- | 2 | 1 | - | - | - | 41 | - | - | - | -"]
    assert notes(text) == ["NPU 2 draws 71.5 W in all, which is not known for each of its chips."]


def test_a_list_of_cards_with_two_chips_is_a_list_of_chips():
    assert lines("Total Count : 2\n\nNPU ID : 4\nChip Count : 2\n\nNPU ID : 5\nChip Count : 2") == [
        f"{index} | {npu} | {chip} | - | - | - | - | - | - | - | -" for index, npu, chip in ((0, 4, 0), (1, 4, 1), (2, 5, 0), (3, 5, 1))]


@pytest.mark.parametrize("nothing", ["NA", "N/A", "-", "--"])
def test_a_chip_that_does_not_answer_is_listed_without_numbers(nothing):
    box = (f"| NPU   Name | Health | Power(W) Temp(C) Hugepages-Usage(page)|\n| Chip | Bus-Id | AICore(%) Memory-Usage(MB) HBM-Usage(MB) |\n"
           f"| 6     910B3 | UNKNOWN | {nothing}   {nothing}   {nothing} / {nothing} |\n"
           f"| 0           | NA      | {nothing}   {nothing} / {nothing}   {nothing} / {nothing} |\n")
    assert lines(box) == ["0 | 6 | 0 | 910B3 | UNKNOWN | - | - | - | - | - | -"]
    assert lines(box.replace("UNKNOWN", nothing)) == ["0 | 6 | 0 | 910B3 | - | - | - | - | - | - | -"]


def test_a_device_number_that_is_not_printed_is_the_place_in_the_table():
    box = ("| NPU Name | Health | Power(W) Temp(C) Hugepages-Usage(page) |\n| Chip Device | Bus-Id | AICore(%) Memory-Usage(MB) |\n"
           "| 4 310P3 | OK | NA 42 0 / 0 |\n| 0 NA | 0000:C1:00.0 | 60 5042 / 21527 |\n"
           "| 9 310P3 | OK | NA 44 0 / 0 |\n| 0 NA | 0000:C2:00.0 | 85 6100 / 21527 |\n")
    assert [line[:9] for line in lines(box)] == ["0 | 4 | 0", "1 | 9 | 0"]


def test_the_processor_of_a_card_is_no_npu_and_a_rated_power_is_none():
    text = ("NPU ID : 0\nChip Count : 1\n\nChip ID : 0\nTemperature(C) : 46\nRated Power Dissipation(W) : 12.8\n\n"
            "Chip Name : MCU\nTemperature(C) : 41\nPower Dissipation(W) : 13.4\n\nChip Name : 3559\nTemperature(C) : 50\nPower Dissipation(W) : 3.2\n")
    assert lines(text) == ["- | 0 | 0 | - | - | 13.4 | 46 | - | - | - | -"]


def test_a_chip_of_which_nothing_is_said_is_still_a_chip():
    assert lines("NPU ID : 2\nChip Count : 1\n\nHBM Single Bit Error Count : 0\nChip ID : 0\n") == ["- | 2 | 0 | - | - | - | - | - | - | - | -"]


def test_virtual_npus_below_a_table_of_processes_are_no_processes():
    text = text_of("info-25.2.0-A3-2npu-4die-proc.txt")
    assert lines(text + text_of("vnpu-22.0.4-310P3.txt")) == lines(text)


def test_used_memory_may_be_missing_where_its_size_is_known_and_a_size_of_nothing_is_missing():
    row = "| 0 310B4 | OK | 7.7 54 15 / 15 |\n| 0 0 | NA | 0 {} |\n"
    assert lines(row.format("NA / 7545"))[0].split(" | ")[8:10] == ["-", "7545"]
    assert lines(row.format("0 / 0"))[0].split(" | ")[8:10] == ["-", "-"]


def test_two_chips_below_one_row_share_its_name_but_not_its_power():
    assert lines("| 0 910C | OK | 210.8 52 0 / 0 |\n| 0 | 0000:C1:00.0 | 30 0 / 0 1024 / 65536 |\n| 1 | 0000:C1:00.1 | 70 0 / 0 2048 / 65536 |") == [
        "- | 0 | 0 | 910C | OK | 210.8 | 52 | 30 | 1024 | 65536 | 0000:C1:00.0", "- | 0 | 1 | 910C | OK | - | - | 70 | 2048 | 65536 | 0000:C1:00.1"]


def test_the_host_gives_the_number_of_a_process_unless_it_is_not_printed():
    table = "| NPU ID | Process id | Process name | Process memory(MB) | Process id in container |\n| 0 | {} | python | 512 | 101 |\n"
    assert lines(table.format(1002)) == ["> 1002 | python | 0 | - | 512"]
    assert lines(table.format("NA")) == ["> 101 | python | 0 | - | 512"]
    assert "inside a container" in notes(table.format("NA"))[0]


def test_later_readings_of_a_device_count():
    table = text_of("info-26.0.rc1-910B4-wide-noproc.txt")
    later = table.replace("82.6", "99.1").replace("2871 ", "3001 ")
    assert lines(table + later) == ["0 | 0 | 0 | 910B4 | OK | 99.1 | 32 | 0 | 3001 | 32768 | 0000:C1:00.0"]
    assert "last one" in notes(table + later)[0]
    assert notes(table + table) == []


def test_processes_of_a_later_table_replace_those_of_an_earlier_one():
    table = text_of("info-25.2.0-A3-2npu-4die-proc.txt")
    assert lines(table + table.replace("990711", "990712"))[4:] == ["> 990712 | python | 1 | 1 | 7746"]


def test_a_process_is_listed_once_though_two_outputs_of_a_gpu_name_it():
    text = text_of("table-440.82-gtx1080-2gpu.txt") + "\n$ nvidia-smi --query-compute-apps=pid,name,used_memory --format=csv,noheader\n28290, python, 1012 MiB\n"
    assert lines(text)[2:] == ["> 28290 | python | - | - | 1012"]


def test_columns_of_a_query_are_those_of_its_command():
    query = "$ nvidia-smi --query-gpu=index,name,utilization.gpu,memory.used,memory.total,power.draw,pci.bus_id --format=csv,noheader,nounits\n"
    assert lines(query + "0, NVIDIA L40S, 7, 12, 46068, [N/A], 00000000:0F:00.0") == ["0 | - | - | NVIDIA L40S | - | - | - | 7 | 12 | 46068 | 00000000:0F:00.0"]
    renamed = "index, name, temperature.gpu, power.draw.instant [W]\n0, NVIDIA L40S, 41, 33.10 W"
    assert lines(renamed) == lines("$ nvidia-smi --query-gpu=index,name,temperature.gpu,power.draw --format=csv\n" + renamed)


def test_rows_without_header_or_command_say_only_what_their_form_says():
    text = "0, NVIDIA L40S, 46068 MiB, 9123 MiB, 36346 MiB\n1, NVIDIA L40S, 46068 MiB, 45 MiB, 45424 MiB\n"
    assert lines(text) == ["0 | - | - | NVIDIA L40S | - | - | - | - | - | - | -", "1 | - | - | NVIDIA L40S | - | - | - | - | - | - | -"]
    assert "header" in notes(text)[0]
    assert lines("43, NVIDIA L40S, 46068 MiB\n44, NVIDIA L40S, 46068 MiB") == []


def test_a_memory_in_another_unit_than_its_column_is_none():
    assert lines("index, memory.used [MiB]\n0, 12 GiB") == []


def test_outputs_of_gpus_are_put_together_by_number_bus_and_uuid():
    text = ("GPU 0: NVIDIA A100-SXM4-80GB (UUID: GPU-aaaaaaaa-bbbb)\n  MIG 1g.10gb     Device  0: (UUID: MIG-cccccccc-dddd)\n\n"
            "uuid, memory.used [MiB], pci.bus_id\nGPU-aaaaaaaa-bbbb, 5 MiB, 00000000:0F:00.0\n\npci.bus_id, temperature.gpu\n0000:0f:00.0, 44\n")
    assert lines(text) == ["0 | - | - | NVIDIA A100-SXM4-80GB | - | - | 44 | - | 5 | - | 00000000:0F:00.0"]


def test_the_log_has_processes_and_several_gpus():
    text = ("Attached GPUs : 2\nGPU 00000000:01:00.0\n    Product Name : Tesla T4\n    Utilization\n        GPU : 3 %\n    GPU Power Readings\n"
            "        Average Power Draw : N/A\n        Instantaneous Power Draw : 27.5 W\n    Processes\n        GPU instance ID : N/A\n"
            "        Process ID : 77\n            Type : C\n            Name : /usr/bin/nvidia-smi\n            Used GPU Memory : 101 MiB\n"
            "        Process ID : 78\n            Type : G\n            Name : X\n            Used GPU Memory : N/A\n"
            "GPU 00000000:02:00.0\n    Product Name : Tesla P4\n")
    assert lines(text) == [
        "0 | - | - | Tesla T4 | - | 27.5 | - | 3 | - | - | 00000000:01:00.0",
        "1 | - | - | Tesla P4 | - | - | - | - | - | - | 00000000:02:00.0",
        "> 77 | /usr/bin/nvidia-smi | - | - | 101", "> 78 | X | - | - | -"]
    assert lines(text.replace(": 2\n", ": 8\n"))[0].startswith("- | - | - | Tesla T4")


def test_pmon_is_not_mistaken_for_dmon():
    assert lines("# gpu        pid  type    sm   mem\n# Idx          #   C/G     %     %\n    0       2398     G     7     3\n") == []


def test_watch_without_a_header_is_read_only_where_it_can_be_nothing_else():
    assert lines("0  0  8.7  55  0  2  64  71  7") == ["- | 0 | 0 | - | - | 8.7 | 55 | 0 | - | - | -"]
    assert lines("0  1  -  41  17  0  5  95  14  3  2") == ["- | 0 | 1 | - | - | - | 41 | 17 | - | - | -"]
    assert lines("0  290.4  51  0  0  16  3  0  0  0") == []
    assert lines("0  45  55  85  45  0  0  9501  2565") == []


@pytest.mark.parametrize(("text", "word"), [
    ("dcmi module initialize failed. ret is -8005", "rwm"), ("dcmi model initialized failed, because the device is used. ret is -8020", "another container"),
    ("dcmi module initialize failed. ret is -9999", "-9999"), ("bash: npu-smi: command not found", "/usr/local/sbin"),
    ("npu-smi: error while loading shared libraries: libc_sec.so: cannot open shared object file: No such file or directory", "libc_sec.so"),
    ("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure", "kernel"),
    ("Failed to initialize NVML: Driver/library version mismatch", "different versions"), ("Failed to initialize NVML: Unknown Error", "--gpus all"),
    ("No devices were found", "no GPU"), ("Unable to determine the device handle for GPU0000:3B:00.0: GPU is lost.  Reboot", "0000:3B:00.0"),
])
def test_what_the_tools_say_instead_has_its_cause(text, word):
    found = read_listing(f"DrvMngGetConsoleLogLevel failed. (g_conLogLevel=3)\n{text}\n")
    assert found.devices == ()
    assert [word in str(note) for note in found.notes] == [True]


def test_memory_that_nobody_seems_to_hold_is_named():
    assert notes(text_of("info-23.0.7-910B2-8npu-noproc.txt"))[0].startswith(
        "Memory is in use but no process is listed on: NPU 0, NPU 1, NPU 2, NPU 3. In a container")
    for idle in ("info-25.5.2-910B2C-partial-noproc.txt", "info-doc-ascend950-1npu-noproc.txt", "info-24.1.0.1-310P3-8npu-sparse-ids-noproc.txt"):
        assert notes(text_of(idle)) == []
    gpu = text_of("table-440.82-gtx1080-2gpu.txt").replace("|    0     28290      C   python                                      1012MiB |", "|  No running processes found |")
    assert "on: GPU 0. In a container" in notes(gpu)[0]


def test_eight_processes_of_a_chip_may_be_more():
    assert notes(text_of("info-25.2.0-910B2-8npu-procs-shared-pids.txt")) == ["npu-smi prints 8 processes of a chip at most; NPU 0 may have more."]


def test_percent_of_memory_is_not_turned_into_bytes():
    assert "whole percent" in notes(text_of("usages-25.5.1-910B.txt"))[0]
    assert notes(text_of("usages-25.5.1-910B.txt") + "\n" + text_of("info-23.0.2.1-910B2C-2npu-proc-trailing-blank.txt")) == []


@pytest.mark.parametrize("text", ["", "\n\n", "hello", "| a | b |\n|---|---|\n| 1 | 2 |\n", "Temperature(C): 45", "Health : OK", '{"devices": []}', "<table><tr><td>0</td></tr></table>"])
def test_what_is_no_output_is_said_to_be_none(text):
    assert read_listing(text).notes == (UNREADABLE,)
    assert read_listing(text).devices == ()


@pytest.mark.parametrize("text", [
    "(" * 3_000_000, "\x1b[" * 1_000_000, "> " * 1_000_000, "\0" * 1_000_000, "| " * 1_000_000, ("9" * 5000 + "\n") * 200,
    "| 0 910B | OK | 1 2 0 / 0 |\n| 0 | NA | " + "9" * 400 + " 0 / 0 1 / " + "9" * 400 + " |", "NPU ID : " + "9" * 400, "x: y\n" * 100_000,
    "1,\n" * 100_000, "GPU " * 1_000_000, "[" * 200_000 + "\n" + "{" * 200_000])
def test_hostile_text_yields_nothing(text):
    found = read_listing(text)
    assert all(device.memory_total_bytes is None for device in found.devices)
    assert len(found.devices) <= 1


def test_there_is_an_end_to_what_is_read():
    many = "".join(f"| {number} 910B | OK | 1 2 0 / 0 |\n| 0 | NA | 0 0 / 0 1 / 2 |\n" for number in range(6000))
    assert len(read_listing(many).devices) == 4096
    assert "More than 4096" in notes(many)[0]
    assert "the rest was not read" in notes("\n" * 250_000)[0]
    assert "the rest was not read" in notes("x" * (LARGEST_BYTES + 1))[0]


def test_a_file_of_powershell_is_read_and_so_is_one_that_is_no_text():
    table = text_of("table-440.82-gtx1080-2gpu.txt")
    assert decoded(table.encode("utf-16")) == table
    assert decoded(b"\xff\xfe" + table.encode("utf-16-be")[:7]) is not None
    assert lines(decoded(b"\xc3\x28" + table.encode() + b"\xff")) == lines(table)
