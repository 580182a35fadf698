#!/usr/bin/env python3
"""Trains Ember on encoded documents, with a process per core or on a CUDA device. Started again it goes on from its last checkpoint."""
import argparse
import json
import mmap
import multiprocessing
import os
import signal
import sys
import time

# Before torch: a process is a thread here, and memory that was used once stays.
PROCESS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "8000000000", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "100000000"}
if __name__ == "__main__" and any(os.environ.get(key) != value for key, value in PROCESS.items()):
    os.environ.update(PROCESS)
    os.execv(sys.executable, [sys.executable] + sys.argv)

import torch

import model
from card import Card
from data import Documents, plan
from fast import Fast, Parameters
from optimiser import Optimiser


def room(count, device):
    """Zeros: on a processor such that all processes see."""
    if device.type != "cpu":
        return torch.zeros(count, device=device)
    return torch.frombuffer(mmap.mmap(-1, 4 * count), dtype=torch.float32)


def chosen_device(name):
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("--device cuda: this torch sees no CUDA device (Debian's never does); give another python to run.sh with PYTHON=..., or --device cpu")
    return torch.device(name)


class Work:
    """Batches that the processes take from a common list, and what they found."""

    def __init__(self, ranks, parameters, tasks, device):
        self.ranks, self.barrier, self.next = ranks, multiprocessing.Barrier(ranks), multiprocessing.Value("q", 0)
        self.gradients = [room(parameters, device) for _ in range(ranks)]
        # per process, for trunk and drafting layer, per task: weighted loss, weight, right answers among rows with weight 1, such rows
        self.found = [room(2 * tasks * 4, torch.device("cpu")).view(2, tasks, 4) for _ in range(ranks)]

    def wait(self):
        self.barrier.wait(7200)

    def take(self, count):
        with self.next.get_lock():
            self.next.value += 1
            return self.next.value - 1 if self.next.value <= count else None


class Trainer:
    def __init__(self, options):
        self.options, self.device = options, chosen_device(options.device)
        self.on_card = self.device.type != "cpu" or options.card_form
        if self.device.type != "cpu":
            options.processes = 1
        self.checkpoint = os.path.join(options.out, "checkpoint.pt")
        if not options.batch_tokens and os.path.exists(self.checkpoint):
            # The plan is cut by it: a training that goes on elsewhere has to meet the same documents.
            options.batch_tokens = torch.load(self.checkpoint, map_location="cpu")["options"]["batch_tokens"]
        if not options.batch_tokens:
            options.batch_tokens = 2048 if self.on_card else 1024
        self.documents = [Documents(os.path.join(options.data, name + ".npz"), options.context) for name in ("train", "train_long", "heldout")]
        self.tasks = sorted({name for documents in self.documents for name in documents.names})
        self.task_of = {name: index for index, name in enumerate(self.tasks)}
        self.shape = model.Shape(layers=options.layers, mlp=options.mlp, context=options.context)
        count = sum(torch.Size(p.shape).numel() for p in model.parameters(self.shape))
        self.weights = Parameters(self.shape, room(count, self.device))
        self.momentum, self.square = room(count, self.device), room(count, self.device)
        self.work = Work(options.processes, count, len(self.tasks), self.device)
        self.steps = plan(*self.documents[:2], options.tokens, options.step_tokens, options.batch_tokens, options.long_from, options.long_share, options.seed)
        self.heldout = [(2, indices) for indices in self.heldout_batches()]
        self.step, self.tokens, self.seconds, self.draft_steps = 0, 0, 0.0, 0

    def heldout_batches(self):
        from data import in_batches
        documents = self.documents[2]
        return in_batches(documents, documents.usable[:self.options.heldout], self.options.batch_tokens)

    def source(self, batch):
        return self.documents[int(batch[0])]

    def scale(self):
        """Of the learning rates: up, level, then straight down to 0."""
        way = self.step / len(self.steps)
        warm, level = self.options.warm, self.options.level
        return min(1.0, (self.step + 1) / (warm * len(self.steps) + 1), max(0.0, (1 - way) / (1 - level)))

    def drafts(self):
        return self.step >= self.options.draft_from * len(self.steps)

    # In every process

    def prepare(self, rank):
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        self.rank = rank
        gradients = Parameters(self.shape, self.work.gradients[rank])
        self.learning, self.reading = self.form(gradients.f32), self.form(None)
        self.optimiser = Optimiser(self.weights, self.work.gradients, self.momentum, self.square, self.options)
        self.optimiser.counts[0], self.optimiser.counts[1] = self.step, self.draft_steps

    def form(self, gradients):
        return Card(self.weights, gradients) if self.on_card else Fast(self.weights, gradients, self.options.out)

    def run_batches(self, batches, learns, drafts):
        """drafts: 0 no batch, 1 all, 2 every other one."""
        found = self.work.found[self.rank]
        total = 1.0
        if learns:
            total = sum(float(self.source(b).batch(b[1], self.task_of)[2].sum()) for b in batches)
        while (index := self.work.take(len(batches))) is not None:
            ids, start, weight, task = self.source(batches[index]).batch(batches[index][1], self.task_of)
            runs_draft = drafts and index % drafts == 0
            results = (self.learning if learns else self.reading).step(ids, start, weight / total, runs_draft)
            for which, result in enumerate(results):
                if result is None:
                    continue
                loss, right = result
                counted = (weight > 0.99).float()
                rows = torch.stack([loss * weight, weight, right * counted, counted], 1)
                found[which].index_add_(0, task, rows)

    def train_step(self):
        self.weights.refresh()
        self.work.gradients[self.rank].zero_()
        drafts = self.drafts()
        self.run_batches(self.steps[self.step], True, 2 if drafts else 0)
        self.work.wait()
        self.optimiser.update(self.rank, self.work.ranks, self.scale(), drafts)
        self.draft_steps += int(drafts)
        self.step += 1
        if self.rank == 0:
            self.work.next.value = 0
        self.work.wait()

    def look_at_heldout(self):
        self.weights.refresh()
        self.work.wait()
        self.run_batches(self.heldout, False, 1 if self.drafts() else 0)
        self.work.wait()
        if self.rank == 0:
            self.work.next.value = 0
        self.work.wait()

    def reports(self):
        return self.step % self.options.report == 0 or self.step == len(self.steps)

    def looks(self):
        every = max(1, len(self.steps) // self.options.looks)
        return self.step % every == 0 or self.step == len(self.steps)

    def helper(self, rank):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first process decides when to stop
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.prepare(rank)
        try:
            while self.step < len(self.steps):
                self.train_step()
                if self.looks():
                    self.look_at_heldout()
        except BaseException:
            self.work.barrier.abort()
            raise

    # In the first process

    def gathered(self):
        out = sum(self.work.found)
        for found in self.work.found:
            found.zero_()
        return out

    def save(self, path):
        torch.save({"shape": self.shape.as_dict(), "flat": self.weights.flat.cpu(), "momentum": self.momentum.cpu(), "square": self.square.cpu(), "step": self.step, "tokens": self.tokens,
                    "seconds": self.seconds, "draft_steps": self.draft_steps, "steps": len(self.steps), "options": vars(self.options)}, path + ".part")
        os.replace(path + ".part", path)

    def restore(self):
        if not os.path.exists(self.checkpoint):
            model.initialise(self.shape, self.weights.f32, self.options.seed)
            return
        saved = torch.load(self.checkpoint, map_location="cpu")
        if saved["shape"] != self.shape.as_dict():
            sys.exit(f"{self.checkpoint} is of a model of another shape: remove it or give the same options")
        for to, key in ((self.weights.flat, "flat"), (self.momentum, "momentum"), (self.square, "square")):
            to.copy_(saved[key])
        self.step, self.tokens, self.seconds, self.draft_steps = saved["step"], saved["tokens"], saved["seconds"], saved["draft_steps"]

    def log(self, kind, found, speed):
        trunk, draft = found[0], found[1]
        mean = lambda rows, top, bottom: (rows[:, top].sum() / rows[:, bottom].sum().clamp(min=1e-9)).item()
        by_task = {name: round(mean(trunk[i:i + 1], 0, 1), 4) for i, name in enumerate(self.tasks) if trunk[i, 1] > 0}
        line = {"kind": kind, "step": self.step, "tokens": self.tokens, "seconds": round(self.seconds, 1), "rate": round(self.scale(), 4), "loss": round(mean(trunk, 0, 1), 4),
                "right": round(mean(trunk, 2, 3), 4), "tokens_per_second": round(speed), "tasks": by_task}
        if draft[:, 1].sum() > 0:
            line |= {"draft_loss": round(mean(draft, 0, 1), 4), "draft_right": round(mean(draft, 2, 3), 4)}
        with open(os.path.join(self.options.out, "log.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        left = (self.options.tokens - self.tokens) / max(speed, 1)
        print(f"{kind} {self.step}/{len(self.steps)}  {self.tokens / 1e6:.2f} M tokens  loss {line['loss']:.3f}  right {line['right']:.3f}"
              + (f"  draft {line['draft_loss']:.3f} {line['draft_right']:.3f}" if "draft_loss" in line else "") + f"  {speed:.0f} tokens/s  {left / 60:.0f} min left", flush=True)
        worst = sorted(by_task.items(), key=lambda item: -item[1])
        print("    " + "  ".join(f"{name} {value:.2f}" for name, value in worst), flush=True)

    def run(self):
        os.makedirs(self.options.out, exist_ok=True)
        with open(os.path.join(self.options.out, "train.pid"), "w", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        if self.options.pid_file:
            with open(self.options.pid_file, "w", encoding="utf-8") as file:
                file.write(f"{os.getpid()}\n")
        self.restore()
        self.form(None)  # builds the kernels once, before there are more processes
        helpers = [multiprocessing.Process(target=self.helper, args=(rank,), daemon=True) for rank in range(1, self.options.processes)]
        for helper in helpers:
            helper.start()
        self.prepare(0)
        print(f"{len(self.weights.flat)} parameters on {self.device}, {len(self.steps)} steps, {self.documents[0].left_out + self.documents[1].left_out} documents too long", flush=True)
        stops = []
        signal.signal(signal.SIGCHLD, lambda *_: self.step < len(self.steps) and any(h.exitcode is not None for h in helpers) and self.work.barrier.abort())
        signal.signal(signal.SIGTERM, lambda *_: stops.append(True))
        signal.signal(signal.SIGINT, lambda *_: stops.append(True))
        clock = last_save = last_report = time.monotonic()
        reported = self.tokens
        while self.step < len(self.steps):
            self.tokens += int(sum(self.source(b).lengths[b[1]].sum() for b in self.steps[self.step]))
            self.train_step()
            now = time.monotonic()
            self.seconds, clock = self.seconds + now - clock, now
            if self.reports():
                self.log("train", self.gathered(), (self.tokens - reported) / (now - last_report))
                last_report, reported = now, self.tokens
            if self.looks():
                kept = self.gathered()
                self.look_at_heldout()
                self.log("heldout", self.gathered(), self.tokens / self.seconds)
                self.work.found[0].copy_(kept)
                clock = last_report = time.monotonic()
                reported = self.tokens
            if stops or now - last_save > self.options.save_seconds or self.step == len(self.steps):
                self.save(self.checkpoint)
                last_save = now
            if stops:
                print("stopped; the same command goes on from here", flush=True)
                for helper in helpers:
                    helper.kill()
                os._exit(3)
        for helper in helpers:
            helper.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="directory with train.npz, train_long.npz and heldout.npz")
    parser.add_argument("--out", required=True, help="directory for checkpoint and log")
    parser.add_argument("--tokens", type=lambda text: int(float(text)), default=11_500_000, help="to train on (default %(default)s)")
    parser.add_argument("--device", default="auto", help="cpu, cuda or cuda:N; auto takes a CUDA device if torch sees one (default %(default)s)")
    parser.add_argument("--card-form", action="store_true", help="compute on a processor as on a card: slow, to try it")
    parser.add_argument("--processes", type=int, default=2, help="on a processor")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--mlp", type=int, default=512)
    parser.add_argument("--context", type=int, default=4096)
    parser.add_argument("--step-tokens", type=int, default=6144)
    parser.add_argument("--batch-tokens", type=int, default=0, help="computed at once (default 1024, on a card 2048)")
    parser.add_argument("--muon-rate", type=float, default=0.02)
    parser.add_argument("--adam-rate", type=float, default=0.004)
    parser.add_argument("--decay", type=float, default=0.02, help="weight decay, of the matrices, times their learning rate")
    parser.add_argument("--clip", type=float, default=1.0)
    parser.add_argument("--warm", type=float, default=0.02, help="share of the steps until the full learning rate")
    parser.add_argument("--level", type=float, default=0.3, help="share of the steps until it falls")
    parser.add_argument("--long-from", type=float, default=0.6)
    parser.add_argument("--long-share", type=float, default=0.2)
    parser.add_argument("--draft-from", type=float, default=0.4)
    parser.add_argument("--heldout", type=int, default=600, help="documents")
    parser.add_argument("--looks", type=int, default=12, help="times to look at the held-out documents")
    parser.add_argument("--report", type=int, default=20, help="steps between two lines")
    parser.add_argument("--save-seconds", type=float, default=180)
    parser.add_argument("--pid-file", default="")
    parser.add_argument("--seed", type=int, default=1)
    Trainer(parser.parse_args()).run()


if __name__ == "__main__":
    main()
