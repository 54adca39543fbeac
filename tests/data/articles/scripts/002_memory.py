import subprocess

import torch_npu

used = torch_npu.memory.npu_memory_allocated() / 1024**2
held = torch_npu.memory.npu_memory_reserved() / 1024**2
print(f"in use {used:.1f} MB")
print(f"held {held:.1f} MB")
subprocess.run(["npu-smi", "info"], check=True)
