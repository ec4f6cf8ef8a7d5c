/** Every workload, in the order in which each finds what those before it left. */
import { fileWorkloads } from './file-workloads.ts'
import { randomWorkloads } from './random-workloads.ts'
import { sequentialWorkloads } from './sequential-workloads.ts'
import type { Workload } from './workload.ts'

export const allWorkloads: readonly Workload[] = [
  ...sequentialWorkloads,
  ...randomWorkloads,
  ...fileWorkloads,
]

/** Group and name: two groups may have workloads of one name. */
export function workloadKey({ group, name }: Workload): string {
  return `${group}: ${name}`
}
