/** All workloads, in an order in which each finds the files that earlier ones left. */
import { fileWorkloads } from './file-workloads.ts'
import { randomWorkloads } from './random-workloads.ts'
import { sequentialWorkloads } from './sequential-workloads.ts'
import type { Workload } from './workload.ts'

export const allWorkloads: readonly Workload[] = [
  ...sequentialWorkloads,
  ...randomWorkloads,
  ...fileWorkloads,
]

/** Group and name: two groups may have workloads of the same name. */
export function workloadKey({ group, name }: Workload): string {
  return `${group}: ${name}`
}
