import type { Benchmark } from '../harness.js'
import { mapBenchmark } from './map.js'

/** All benchmarks, in the order in which they run. */
export const benchmarks: readonly Benchmark[] = [mapBenchmark]
