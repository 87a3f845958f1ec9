"""A training that saves what it has when Slurm sends USR1, and goes on from there when it is started again."""

import faulthandler
import os
import signal
import sys

import torch
import torch.distributed as dist

STEPS = int(sys.argv[1])
EVERY = 1000
FILE = "checkpoint.pt"

asked = False


def ask(*_):
    global asked
    asked = True


signal.signal(signal.SIGUSR1, ask)  # first of all: USR1 ends a program that has no handler
faulthandler.register(signal.SIGUSR2)  # at USR2, each process says where it is, and goes on

gpu = torch.cuda.is_available()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
if gpu:
    torch.cuda.set_device(device)
dist.init_process_group("nccl" if gpu else "gloo", device_id=device if gpu else None)

torch.manual_seed(0)
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1).to(device))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
first = 0
if os.path.exists(FILE):
    saved = torch.load(FILE, map_location=device)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    first = saved["step"]


def save(step):
    if dist.get_rank() == 0:
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
        torch.save(state, f"{FILE}.new")
        os.replace(f"{FILE}.new", FILE)  # there is always a whole one, also if this is killed meanwhile


if dist.get_rank() == 0:
    print(f"step {first}")
for step in range(first, STEPS):
    x = torch.randn(8, 4, device=device)
    optimizer.zero_grad()
    (model(x) - x.sum(1, keepdim=True)).square().mean().backward()
    optimizer.step()
    # The signal does not reach all ranks in the same step: they agree to stop after this one.
    stop = torch.tensor(int(asked), device=device)
    dist.all_reduce(stop, op=dist.ReduceOp.MAX)
    if stop or (step + 1) % EVERY == 0:
        save(step + 1)
    if stop:
        break
if dist.get_rank() == 0:
    print(f"stopped after step {step + 1}" if stop else "done")
dist.destroy_process_group()
