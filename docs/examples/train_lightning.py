"""A training with Lightning, which starts no processes itself when Slurm has done so."""

import os

import pytorch_lightning as lightning  # or: import lightning
import torch
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset


class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(4, 1)

    def training_step(self, batch, index):
        inputs, targets = batch
        return mse_loss(self.layer(inputs), targets)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


lightning.seed_everything(0, verbose=False)
x = torch.randn(64, 4)
data = TensorDataset(x, x.sum(1, keepdim=True))

size, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
trainer = lightning.Trainer(
    devices=here,  # on each node
    num_nodes=size // here,
    strategy="ddp",
    max_epochs=5,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
model = Model()
trainer.fit(model, DataLoader(data, batch_size=8))

weights = trainer.strategy.all_gather(model.layer.bias.detach())
if trainer.is_global_zero:
    print(f"{trainer.world_size} processes, all with the same weights: {bool((weights == weights[0]).all())}")
