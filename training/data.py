"""Encoded documents and the order in which a training meets them."""
import numpy as np
import torch


class Documents:
    def __init__(self, path, context):
        stored = np.load(path)
        self.tokens, self.weights, self.starts = stored["tokens"], stored["weights"], stored["starts"].astype(np.int64)
        self.tasks, self.names = stored["tasks"], [str(name) for name in stored["names"]]
        lengths = np.diff(self.starts)
        self.usable = np.flatnonzero((lengths > 1) & (lengths <= context))
        self.left_out = len(lengths) - len(self.usable)
        self.lengths = lengths

    def batch(self, indices, task_of):
        """ids, start, weight (row p: that of predicting token p + 1) and the task of every row."""
        spans = [slice(self.starts[i], self.starts[i + 1]) for i in indices]
        ids = np.concatenate([self.tokens[span] for span in spans]).astype(np.int64)
        weight = np.concatenate([np.append(self.weights[span][1:], 0) for span in spans]).astype(np.float32) / 100
        lengths = self.lengths[indices]
        task = np.repeat([task_of[self.names[self.tasks[i]]] for i in indices], lengths)
        start = np.concatenate([[0], np.cumsum(lengths)])
        return tuple(torch.from_numpy(np.ascontiguousarray(array)) for array in (ids, start.astype(np.int64), weight, task.astype(np.int64)))


def in_batches(documents, order, tokens):
    """Lists of documents with about `tokens` tokens; a longer document is alone."""
    out, held = [[]], 0
    for index in order:
        length = documents.lengths[index]
        if out[-1] and held + length > tokens:
            out.append([])
            held = 0
        out[-1].append(index)
        held += length
    return [indices for indices in out if indices]


def plan(short, long, total, step_tokens, batch_tokens, long_from, long_share, seed):
    """Steps of batches (is_long, documents) with `total` tokens in all. From `long_from` of the way on, `long_share` of the tokens are long."""
    random = np.random.default_rng(seed)

    def batches(documents):
        while True:
            for indices in in_batches(documents, random.permutation(documents.usable), batch_tokens):
                yield indices, int(documents.lengths[indices].sum())

    shorts, longs = batches(short), batches(long) if long is not None and len(long.usable) else None
    steps, done, done_long = [], 0, 0
    while done < total:
        step, held = [], 0
        while held < step_tokens:
            share = (done + held - long_from * total) * long_share
            is_long = longs is not None and share > 0 and done_long < share
            indices, count = next(longs if is_long else shorts)
            done_long += count if is_long else 0
            step.append((is_long, indices))
            held += count
        # The largest first: then the processes finish together.
        steps.append(sorted(step, key=lambda batch: -sum((long if batch[0] else short).lengths[batch[1]])))
        done += held
    return steps
