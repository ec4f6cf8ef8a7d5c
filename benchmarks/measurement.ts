/**
 * Order of the measurements: in each round, each workload runs on all targets, one directly after
 * the other, starting with another target in each round, so that other load on the machine affects
 * all alike. Before a target is measured, all targets have finished their background work.
 * Workloads that remove files run after all rounds of the others.
 */
import { join } from 'node:path'
import type { BenchOptions } from './bench-options.ts'
import type { Driver } from './driver.ts'
import { dropKernelCaches, syncFileSystem } from './kernel-caches.ts'
import { NotMeasured } from './not-measured.ts'
import type { Results } from './results.ts'
import type { Target } from './targets/target.ts'
import { workloadKey } from './workloads/all-workloads.ts'
import type { Preparation, Workload } from './workloads/workload.ts'

export interface MeasurementParts {
  options: BenchOptions
  targets: readonly Target[]
  workloads: readonly Workload[]
  driver: Driver
  results: Results
  signal: AbortSignal
  /** Receives a line of progress. */
  progress: (line: string) => void
}

export class Measurement {
  readonly #parts: MeasurementParts

  constructor(parts: MeasurementParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { options, targets, workloads, driver } = this.#parts
    const rounds = Array.from({ length: options.rounds }, (_, round) => round)
    const last = workloads.filter((it) => it.isLast === true)
    for (const round of rounds) {
      for (const target of targets) {
        await driver.perform({ kind: 'make', directory: folderOf(target, round) })
      }
      await this.#round(
        round,
        workloads.filter((it) => it.isLast !== true),
      )
    }
    for (const round of rounds) await this.#round(round, last)
  }

  async #round(round: number, workloads: readonly Workload[]): Promise<void> {
    const { targets } = this.#parts
    for (const [number, workload] of workloads.entries()) {
      const start = (round + number) % targets.length
      const rates: string[] = []
      for (const target of [...targets.slice(start), ...targets.slice(0, start)]) {
        rates.push(await this.#cell(workload, target, round))
      }
      this.#tell(round, workload, rates)
    }
  }

  /** Measures one cell; returns it for the line of progress. */
  async #cell(workload: Workload, target: Target, round: number): Promise<string> {
    const { driver, options, results, signal } = this.#parts
    const folder = folderOf(target, round)
    try {
      await this.#settle()
      await prepare(workload.before, target, folder)
      const { scale } = options
      const key = workloadKey(workload)
      const task = { kind: 'run', directory: folder, workload: key, scale } as const
      const measured = await driver.perform(task)
      return `${target.name} ${formatRate(results.add(workload, target, round, measured))}`
    } catch (error) {
      signal.throwIfAborted()
      results.addError(workload, target, error as Error)
      return `${target.name} ${error instanceof NotMeasured ? '-' : 'FAILED'}`
    }
  }

  async #settle(): Promise<void> {
    const { targets, options } = this.#parts
    await Promise.all(targets.map((target) => target.settle()))
    await syncFileSystem(options.directory)
  }

  #tell(round: number, workload: Workload, rates: readonly string[]): void {
    const { options, progress } = this.#parts
    const where = `${round + 1}/${options.rounds}`
    progress(`${where} ${workloadKey(workload)} (${workload.unit}): ${rates.toSorted().join(', ')}`)
  }
}

function folderOf(target: Target, round: number): string {
  return join(target.directory, `round-${round}`)
}

async function prepare(before: Preparation, target: Target, folder: string): Promise<void> {
  if (before === 'cloud') await target.makeCold(folder)
  else if (before !== 'as they are') await dropKernelCaches(before)
}

function formatRate(rate: number): string {
  return rate >= 100 ? String(Math.round(rate)) : rate.toPrecision(2)
}
