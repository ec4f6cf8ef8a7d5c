/**
 * Measurements by workload and target. A ratio is computed within one round, in which both figures
 * are from the same minute, and the median of the ratios of all rounds is used: on a machine with
 * other load, absolute figures drift while ratios are stable.
 */
import { NotMeasured } from './not-measured.ts'
import { workloadKey } from './workloads/all-workloads.ts'
import type { Measured, Workload } from './workloads/workload.ts'
import type { Target } from './targets/target.ts'

export type Cell =
  /**
   * Median rate, and median ratio to the baseline if that was measured as well. Unsteady: the
   * ratios of the rounds differ by more than a factor of `UNSTEADY`.
   */
  | { rate: number; ratio: number | undefined; isUnsteady: boolean }
  /** Reason for a missing rate. */
  | { reason: string; isFailure: boolean }

interface Column {
  rates: (number | undefined)[]
  error?: Error
}

const MEGA = 1_000_000
export const UNSTEADY = 2

export class Results {
  readonly #baseline: Target
  readonly #columns = new Map<string, Column>()

  constructor(baseline: Target) {
    this.#baseline = baseline
  }

  add(workload: Workload, target: Target, round: number, measured: Measured): number {
    const rate = measured.amount / measured.seconds / (workload.unit === 'MB/s' ? MEGA : 1)
    this.#column(workload, target).rates[round] = rate
    return rate
  }

  addError(workload: Workload, target: Target, error: Error): void {
    this.#column(workload, target).error ??= error
  }

  cell(workload: Workload, target: Target): Cell | undefined {
    const { rates, error } = this.#column(workload, target)
    const rate = median(rates)
    // If one of several rounds failed, the measurement failed.
    if (error !== undefined) {
      return { reason: error.message, isFailure: !(error instanceof NotMeasured) }
    }
    if (rate === undefined) return undefined
    const baseline = this.#column(workload, this.#baseline).rates
    const ratios = rates.map((it, round) => {
      const base = baseline[round]
      return it === undefined || base === undefined ? undefined : it / base
    })
    const known = ratios.filter((it) => it !== undefined)
    const isUnsteady = Math.max(...known) > UNSTEADY * Math.min(...known)
    return { rate, ratio: median(ratios), isUnsteady }
  }

  #column(workload: Workload, target: Target): Column {
    const key = `${workloadKey(workload)} / ${target.name}`
    let column = this.#columns.get(key)
    if (column === undefined) this.#columns.set(key, (column = { rates: [] }))
    return column
  }
}

function median(values: readonly (number | undefined)[]): number | undefined {
  const sorted = values.filter((it) => it !== undefined).sort((a, b) => a - b)
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]]
  return low === undefined || high === undefined ? undefined : (low + high) / 2
}
