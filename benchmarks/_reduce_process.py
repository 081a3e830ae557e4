"""One process of a group that sums numbers over all: prints the median seconds of a sum of so many bytes."""

import os
import statistics
import sys
import time

import torch
import torch.distributed as dist

count, turns = int(sys.argv[1]) // 4, 10
torch.set_num_threads(1)
dist.init_process_group("gloo")
values, seconds = torch.ones(count), []
for _ in range(turns):
    dist.barrier()
    begin = time.perf_counter()
    dist.all_reduce(values)
    seconds.append(time.perf_counter() - begin)
if int(os.environ["RANK"]) == 0:
    print(statistics.median(seconds))
dist.destroy_process_group()
