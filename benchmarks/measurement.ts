/**
 * The order of things: in every round each workload runs on all targets, one directly after the
 * other and beginning with another one each round, so that what else the machine does meets all
 * alike. Before a target is measured, every target has finished its work in the background.
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
  /** Takes a line about what is being done. */
  progress: (line: string) => void
}

export class Measurement {
  readonly #parts: MeasurementParts

  constructor(parts: MeasurementParts) {
    this.#parts = parts
  }

  async run(): Promise<void> {
    const { options } = this.#parts
    for (let round = 0; round < options.rounds; round++) await this.#round(round)
  }

  async #round(round: number): Promise<void> {
    const { targets, workloads, driver } = this.#parts
    const folder = (target: Target): string => join(target.directory, `round-${round}`)
    for (const target of targets) {
      await driver.perform({ kind: 'make', directory: folder(target) })
    }
    for (const [number, workload] of workloads.entries()) {
      const start = (round + number) % targets.length
      const rates: string[] = []
      for (const target of [...targets.slice(start), ...targets.slice(0, start)]) {
        rates.push(await this.#cell(workload, target, round, folder(target)))
      }
      this.#tell(round, workload, rates)
    }
    for (const target of targets) {
      await driver.perform({ kind: 'remove', directory: folder(target) })
    }
  }

  /** Measures one cell; returns it for the progress line. */
  async #cell(workload: Workload, target: Target, round: number, folder: string): Promise<string> {
    const { driver, options, results, signal } = this.#parts
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

async function prepare(before: Preparation, target: Target, folder: string): Promise<void> {
  if (before === 'cloud') await target.makeCold(folder)
  else if (before !== 'as they are') await dropKernelCaches(before)
}

function formatRate(rate: number): string {
  return rate >= 100 ? String(Math.round(rate)) : rate.toPrecision(2)
}
