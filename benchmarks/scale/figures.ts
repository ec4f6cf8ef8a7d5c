/** Elements of the tables of `make bench-scale`: times, memory use of a node, rows. */
import { readFileSync } from 'node:fs'
import type { ClientProcess } from '../../test/fixtures/client-process.ts'
import { median } from '../median.ts'

/** Duration of each step, µs. */
export function timesOf(count: number, step: (at: number) => void): number[] {
  return Array.from({ length: count }, (_, at) => {
    const started = performance.now()
    step(at)
    return (performance.now() - started) * 1000
  })
}

/** A cell for the given number of steps. */
export function typical(count: number, step: (at: number) => void): string {
  return micros(median(timesOf(count, step)))
}

export function micros(us: number): string {
  return `${us.toFixed(us < 10 ? 1 : 0)} µs`
}

/** Peak resident memory of daemon and supervisor, in MiB, as cells. */
export function memoryOf(node: ClientProcess): string[] {
  return [node.daemon, node.child.pid!].map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return `${(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)} MiB`
  })
}

export const MEMORY = ['daemon, most', 'supervisor, most'] as const

export function printHead(...titles: readonly string[]): void {
  console.log()
  printRow(...titles)
  printRow(...titles.map((_, at) => (at === 0 ? '---' : '---:')))
}

export function printRow(...cells: readonly (string | number)[]): void {
  console.log(`| ${cells.map((it) => it.toLocaleString('en-US')).join(' | ')} |`)
}
