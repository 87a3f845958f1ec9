"""A training with torch whose result does not depend on how many tasks share it, and what its tasks print."""

import re
from typing import NamedTuple

# At its end, gloo may abort a process on a busy machine, whoever has started it.
END = "sys.stdout.flush(); os._exit(0)\n"
# Unbuffered, print writes words and the end of the line each by itself, between which those of other tasks may come.
TELL = "import os\ndef tell(*words): os.write(1, (' '.join(map(str, words)) + '\\n').encode())\n"

# One training, whose batches the tasks share: the number of tasks changes nothing but rounding.
TRAIN = f"""{TELL}
import os, socket, sys
import torch, torch.distributed
from torch.nn import Linear, Sequential, Tanh
from torch.nn.functional import mse_loss

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.distributed.init_process_group("gloo")
rank, size = torch.distributed.get_rank(), torch.distributed.get_world_size()
total = torch.tensor(2.0**rank)
torch.distributed.all_reduce(total)

torch.manual_seed(7)
x = torch.randn(48, 4)
y = x.prod(1, keepdim=True)
model = Sequential(Linear(4, 16), Tanh(), Linear(16, 1))
parallel = torch.nn.parallel.DistributedDataParallel(model)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
mine = slice(rank * 48 // size, (rank + 1) * 48 // size)
for _ in range(20):
    optimizer.zero_grad()
    mse_loss(parallel(x[mine]), y[mine]).backward()
    optimizer.step()
loss = mse_loss(model(x), y).item()
host, master, port = socket.gethostname(), os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
tell(f"task {{rank}}/{{size}} on {{host}} master {{master}} {{port}} sum {{total:.0f}} loss {{loss:.6f}}")
{END}"""
TASK = re.compile(r"^task (\d+)/(\d+) on (\S+) master (\S+) (\d+) sum (\d+) loss (\S+)$", re.MULTILINE)


class Task(NamedTuple):
    """What a task of the training prints."""

    rank: str
    size: str
    host: str
    master: str
    port: str
    total: str
    loss: str


def tasks(output: str) -> list[Task]:
    """Return what the tasks of a training have printed, by rank."""
    found = sorted(Task(*words) for words in TASK.findall(output))
    assert found, output
    return found
