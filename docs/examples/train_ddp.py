"""A training with DistributedDataParallel of torch: one process for each GPU."""

import os

import torch
import torch.distributed as dist
from torch.nn.functional import mse_loss
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

gpu = torch.cuda.is_available()
device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
if gpu:
    torch.cuda.set_device(device)
dist.init_process_group("nccl" if gpu else "gloo", device_id=device if gpu else None)
rank, size = dist.get_rank(), dist.get_world_size()

torch.manual_seed(0)  # the same data on all ranks, of which each takes its part
x = torch.randn(64, 4)
data = TensorDataset(x, x.sum(1, keepdim=True))
sampler = DistributedSampler(data)
loader = DataLoader(data, batch_size=8, sampler=sampler)

model = DistributedDataParallel(torch.nn.Linear(4, 1).to(device))
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
for epoch in range(20):
    sampler.set_epoch(epoch)  # another order in each epoch
    for inputs, targets in loader:
        optimizer.zero_grad()
        mse_loss(model(inputs.to(device)), targets.to(device)).backward()
        optimizer.step()

# Each rank knows the loss of its own part: the mean is that of all.
loss = mse_loss(model(x.to(device)), x.sum(1, keepdim=True).to(device)).detach()
dist.all_reduce(loss)
if rank == 0:
    print(f"{size} processes, loss {loss.item() / size:.4f}")
dist.destroy_process_group()
