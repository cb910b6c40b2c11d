import type { Benchmark } from '../harness.js'
import { localJournalBenchmark } from './local-journal.js'
import { localMemoryBenchmark } from './local-memory.js'
import { localOpenBenchmark } from './local-open.js'
import { localOverwriteBenchmark } from './local-overwrite.js'
import { localPythonBenchmark } from './local-python.js'
import { localReadBenchmark } from './local-read.js'
import { localSetBenchmark } from './local-set.js'
import { growthBenchmark } from './growth.js'
import { mapBenchmark } from './map.js'
import { remoteBenchmark } from './remote.js'
import { remoteMemoryBenchmark } from './remote-memory.js'

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [
  localSetBenchmark, localReadBenchmark, localOverwriteBenchmark, localOpenBenchmark, localJournalBenchmark, localMemoryBenchmark, localPythonBenchmark, mapBenchmark, remoteBenchmark, remoteMemoryBenchmark, growthBenchmark,
]
