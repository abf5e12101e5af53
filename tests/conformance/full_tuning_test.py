"""Full fine-tuning by the program on two ranks, with weights in shards, against PyTorch FSDP2 on gloo with two processes.
The models are a small llama, a gemma2 (its norms, scales and caps have gradients of their own, its rows are longer than its
window), and a phi3 (its layers are packed into few tensors); rows, AdamW and rates are the same, float32. The movement of the
weights, and each step's loss and gradient norm, agree within 1e-4. AdamW's epsilon is 1, far above every root mean square, so
a move follows the gradient and not its sign. The test also checks that transformers loads the program's weights folder.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile

import h5py
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor
from transformers import AutoModelForCausalLM

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "families"))
import tiny_models  # noqa: E402

BOUND = 1e-4
PROCESSES = 2
RATE, DECAY, BETAS, EPSILON = 0.5, 0.1, (0.9, 0.95), 1.0


def folder_in(directory):
    """The folder of the family's model; None for the small job's own."""
    return next((f"{directory}/{name}" for name in tiny_models.FAMILIES if os.path.isdir(f"{directory}/{name}")), None)


def load_start(directory):
    if folder := folder_in(directory):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    else:
        model = AutoModelForCausalLM.from_pretrained(directory, gguf_file="model.gguf", dtype=torch.float32)
    model.config.use_cache = False
    return model.eval()


def whole(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def loss_of(model, step, rank):
    """This process's part of a step's loss: every second row."""
    rows = step["rows"][rank::PROCESSES]
    width = max(len(row["ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    weight = torch.zeros(len(rows), width - 1)
    for i, row in enumerate(rows):
        ids[i, : len(row["ids"])] = torch.tensor(row["ids"])
        weight[i, row["prompt"] - 1 : len(row["ids"]) - 1] = row["weight"]
    # Padding follows every row, where causal attention does not look.
    log_probs = model(input_ids=ids).logits[:, :-1].log_softmax(-1)
    picked = log_probs.gather(2, ids[:, 1:, None])[..., 0]
    return -(picked * weight).sum() / step["normalizer"]


def train_fsdp(rank, directory, rates):
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=PROCESSES, init_method=f"file://{directory}/rendezvous")
    model = load_start(directory)
    mesh = dist.init_device_mesh("cpu", (PROCESSES,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), betas=BETAS, eps=EPSILON, weight_decay=DECAY)
    with open(f"{directory}/rows.json") as file:
        steps = json.load(file)["steps"]
    log = []
    for step, rate in zip(steps, rates, strict=True):
        loss = loss_of(model, step, rank)
        (loss * PROCESSES).backward()  # FSDP takes the mean over processes
        squares = sum(whole(p.grad).double().square().sum() for p in model.parameters())
        total = loss.detach().clone()
        dist.all_reduce(total)
        log.append((float(total), float(squares.sqrt())))
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.step()
        optimizer.zero_grad()
    weights = {name: whole(p.detach()).clone() for name, p in model.named_parameters()}
    if rank == 0:
        torch.save({"weights": weights, "log": log}, f"{directory}/fsdp.pt")
    dist.destroy_process_group()


def train_program(directory):
    results = f"{directory}/results"
    options = {"method": "sft", "adapter": "none", "sft_weights": "token_mean", "train_compute_type": "float32",
               "sft_optimizer": "adamw", "sft_learning_rate": RATE, "adam_epsilon": EPSILON, "weight_decay": DECAY, "clip_norm": 1e6,
               "test_sets": "v2", "exact_nodes": 0, "rounds": 1,
               "shard_size": PROCESSES, "node_sharing": "ignored", "output": results}
    if folder := folder_in(directory):
        options["model"] = folder
    flags = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    subprocess.run(["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(PROCESSES),
                    os.environ["APPORTION_BIN"], "run", f"{directory}/small.ini", *flags],
                   check=True, stdout=subprocess.DEVNULL)
    for task in os.listdir(f"{results}/tasks"):
        if os.path.isdir(f"{results}/tasks/{task}/weights"):
            break
    with h5py.File(f"{results}/tasks/{task}/result.h5") as file:
        log = {name: file[f"log/{name}"][:].tolist() for name in ("lr", "loss", "grad_norm")}
    model = AutoModelForCausalLM.from_pretrained(f"{results}/tasks/{task}/weights", dtype=torch.float32)
    return dict(model.named_parameters()), log


def compare(*family):
    dump = os.path.join(os.environ["APPORTION_BUILD"], "tests", "full_tuning_dump")
    with tempfile.TemporaryDirectory() as directory:
        models = [os.path.join(directory, name) for name in family]
        for name, path in zip(family, models, strict=True):
            tiny_models.make(path, name)
        subprocess.run([dump, directory, *models], check=True)
        ours, log = train_program(directory)
        with open(f"{directory}/rows.json") as file:
            longest = max(len(row["ids"]) for step in json.load(file)["steps"] for row in step["rows"])
        assert longest > tiny_models.WINDOW, "no row is longer than the window"
        mp.start_processes(train_fsdp, args=(directory, log["lr"]), nprocs=PROCESSES, start_method="forkserver")
        peer = torch.load(f"{directory}/fsdp.pt")
        start = dict(load_start(directory).named_parameters())
    worst = 0.0
    assert ours.keys() == peer["weights"].keys() == start.keys()
    for name, first in start.items():
        move = peer["weights"][name] - first.detach()
        difference = ((ours[name].detach() - peer["weights"][name]).norm() / move.norm()).item()
        assert move.norm() > 1e-3 * first.norm(), f"{name} has not moved"
        worst = max(worst, difference)
    print(f"{family}: moves of {len(start)} tensors: largest relative difference {worst:.3g} (bound {BOUND})")
    for step, (loss, norm) in enumerate(peer["log"]):
        print(f"step {step}: loss {log['loss'][step]:.6f} and {loss:.6f}, "
              f"norm {log['grad_norm'][step]:.6f} and {norm:.6f}")
        assert abs(log["loss"][step] / loss - 1) < BOUND and abs(log["grad_norm"][step] / norm - 1) < BOUND
    assert worst < BOUND


def main():
    # The processes are forked from a server that has imported all this once, and no threads that they would lack.
    multiprocessing.set_forkserver_preload(["h5py", "torch.distributed.fsdp", "torch.distributed.tensor", "transformers.modeling_utils"])
    compare()
    compare("gemma2")
    compare("phi3-tied")


if __name__ == "__main__":
    sys.exit(main())
