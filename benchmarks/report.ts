/**
 * The result table: a row per workload, a column per target; each cell has the ratio to the
 * baseline and the rate. Below it, a description of each target, and the reason for each missing
 * figure.
 */
import { execFileSync } from 'node:child_process'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { formatSize } from '../src/options/size.ts'
import type { BenchOptions } from './bench-options.ts'
import { UNSTEADY, type Cell, type Results } from './results.ts'
import type { MissingTarget } from './targets/open-targets.ts'
import type { Target } from './targets/target.ts'
import { workloadKey } from './workloads/all-workloads.ts'
import type { Workload } from './workloads/workload.ts'

export interface ReportParts {
  options: BenchOptions
  targets: readonly Target[]
  missing: readonly MissingTarget[]
  workloads: readonly Workload[]
  results: Results
  args: readonly string[]
}

export class Report {
  readonly #parts: ReportParts

  constructor(parts: ReportParts) {
    this.#parts = parts
  }

  /** For a terminal: aligned columns. */
  text(): string {
    const { targets } = this.#parts
    const rows = this.#rows()
    const heads = ['', ...targets.map((it) => it.name)]
    const widths = heads.map((head, at) =>
      Math.max(head.length, ...rows.map((row) => (row[at] ?? '').length)),
    )
    const line = (row: readonly string[]): string =>
      row
        .map((it, at) => (at === 0 ? it.padEnd(widths[0] ?? 0) : it.padStart(widths[at] ?? 0)))
        .join('  ')
        .trimEnd()
    return [line(heads), ...rows.map(line), '', ...this.#notes()].join('\n')
  }

  markdown(): string {
    const { targets } = this.#parts
    const line = (row: readonly string[]): string => `| ${row.join(' | ')} |`
    const heads = ['Workload', ...targets.map((it) => it.name)]
    const rule = heads.map((_, at) => (at === 0 ? '---' : '--:'))
    const rows = this.#rows().map((row) =>
      row.length === 1 ? [`**${row[0] ?? ''}**`, ...targets.map(() => '')] : row,
    )
    const notes = this.#notes().map((note) => `- ${note}`)
    return [line(heads), line(rule), ...rows.map(line), '', ...notes].join('\n')
  }

  /** Failures of CacheFS or the baseline; those of other targets are only reported. */
  failures(): string[] {
    const ours = this.#parts.targets.filter((it) => it.isNeeded)
    return this.#gaps(ours).flatMap(({ text, isFailure }) => (isFailure ? [text] : []))
  }

  /** A row with one cell is a heading. */
  #rows(): string[][] {
    const { workloads, targets, results } = this.#parts
    const rows: string[][] = []
    let group = ''
    for (const workload of workloads) {
      if (workload.group !== group) rows.push([(group = workload.group)])
      const cells = targets.map((target, at) =>
        cellText(results.cell(workload, target), workload, at === 0),
      )
      rows.push([workload.name, ...cells])
    }
    return rows
  }

  #notes(): string[] {
    const { options, targets, missing } = this.#parts
    const { sizeBytes, files, operations, budgetMs } = options.scale
    return [
      `Ratios are to ${targets[0]?.name ?? ''} in the same round, medians of ${options.rounds}: ` +
        `1.00 is as fast as the disk below, ~: the rounds differ by more than ${UNSTEADY} times.`,
      `${formatSize(sizeBytes)} file, ${files} small files, ${operations} random operations; ` +
        `a workload of many steps ends after ${budgetMs / 1000} s.`,
      ...targets.map((it) => `${it.name}: ${it.detail}.`),
      ...missing.map((it) => `Not here: ${it.name} ${it.reason}.`),
      ...this.#gaps(targets).map((it) => it.text),
      `${new Date().toISOString().slice(0, 10)}, ${machine()}, commit ${commit()}.`,
      `Command: ${this.#command()}`,
    ]
  }

  #gaps(targets: readonly Target[]): { text: string; isFailure: boolean }[] {
    const { workloads, results } = this.#parts
    return workloads.flatMap((workload) =>
      targets.flatMap((target) => {
        const cell = results.cell(workload, target)
        if (cell === undefined || !('reason' in cell)) return []
        const { reason, isFailure } = cell
        const what = isFailure ? 'Failed' : 'Not measured'
        const text = `${what}: ${target.name}, ${workloadKey(workload)}: ${reason}.`
        return [{ text, isFailure }]
      }),
    )
  }

  #command(): string {
    const { args } = this.#parts
    return args.length === 0 ? '`make bench`' : `\`make bench ARGS="${args.join(' ')}"\``
  }
}

function cellText(cell: Cell | undefined, { unit }: Workload, isBaseline: boolean): string {
  if (cell === undefined) return ''
  if ('reason' in cell) return cell.isFailure ? 'failed' : 'n/a'
  const rate = `${formatNumber(cell.rate)} ${unit}`
  if (isBaseline || cell.ratio === undefined) return rate
  return `${cell.isUnsteady ? '~' : ''}${formatRatio(cell.ratio)} (${rate})`
}

function formatNumber(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(2)
}

function formatRatio(ratio: number): string {
  return ratio >= 0.095 ? ratio.toFixed(2) : ratio.toPrecision(1)
}

function machine(): string {
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  const [cpu] = cpus()
  const cores = `${cpus().length} cores (${cpu?.model ?? 'unknown'})`
  // The load average shows how much other load affected the figures.
  const load = loadavg()[2]?.toFixed(1) ?? '?'
  return `${cores}, load ${load}, ${memory} memory, Linux ${release()}, Node ${process.version}`
}

function commit(): string {
  try {
    const options = { cwd: import.meta.dirname, encoding: 'utf8' } as const
    return execFileSync('git', ['rev-parse', '--short', 'HEAD'], options).trim()
  } catch {
    return 'unknown'
  }
}
