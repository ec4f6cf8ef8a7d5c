/**
 * Process that runs the workloads; the same one for all targets, so that its own cost is equal. It
 * gets a directory and the name of a workload over its channel, uses synchronous calls, and answers
 * with its measurements.
 */
import { mkdirSync } from 'node:fs'
import { allWorkloads, workloadKey } from './workloads/all-workloads.ts'
import type { Measured, Scale } from './workloads/workload.ts'

export type DriverTask =
  | { kind: 'run'; directory: string; workload: string; scale: Scale }
  | { kind: 'make'; directory: string }

export type DriverAnswer = { measured: Measured } | { error: string }

/** Names of the small files by directory. */
const namesIn = new Map<string, string[]>()

function perform(task: DriverTask): Measured {
  if (task.kind === 'run') return run(task.directory, task.workload, task.scale)
  mkdirSync(task.directory)
  return { amount: 0, seconds: 0 }
}

function run(directory: string, key: string, scale: Scale): Measured {
  const workload = allWorkloads.find((it) => workloadKey(it) === key)
  if (workload === undefined) throw new Error(`there is no workload ${key}`)
  const names = namesIn.get(directory) ?? []
  namesIn.set(directory, names)
  return workload.run({ ...scale, directory, names })
}

function answer(task: DriverTask): DriverAnswer {
  try {
    return { measured: perform(task) }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

process.on('message', (task) => {
  process.send?.(answer(task as DriverTask))
})
