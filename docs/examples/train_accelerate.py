"""A training with accelerate, started by srun in place of `accelerate launch`."""

import torch
from accelerate import Accelerator
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

# Without GPUs, processes find each other only when accelerate is told that there are none.
accelerator = Accelerator(cpu=not torch.cuda.is_available())
torch.manual_seed(0)
x = torch.randn(64, 4)
data = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=8, shuffle=True)
model = torch.nn.Linear(4, 1)
model, optimizer, data = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.1), data)
for _ in range(5):
    for inputs, targets in data:
        optimizer.zero_grad()
        accelerator.backward(mse_loss(model(inputs), targets))
        optimizer.step()

ranks = accelerator.gather(torch.tensor([accelerator.process_index], device=accelerator.device))
if accelerator.is_main_process:
    print(f"{accelerator.num_processes} processes: {ranks.tolist()}")
accelerator.end_training()
