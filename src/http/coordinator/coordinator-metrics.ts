/**
 * `/metrics` of the coordinator: sums over all nodes, and the default metrics of the Node process.
 */
import { Gauge, collectDefaultMetrics } from 'prom-client'
import type { Registry } from 'prom-client'
import { clusterTotals } from './cluster-totals.ts'
import type { CoordinatorStatus } from './coordinator-status.ts'
import { snakeCase } from '../node/node-metrics.ts'

export function coordinatorMetrics({ peers }: CoordinatorStatus, registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of Object.keys(clusterTotals([])) as (keyof ReturnType<typeof clusterTotals>)[]) {
    const gauge: Gauge = new Gauge({
      // Most are sums of counters, but all are gauges: a sum decreases when a node leaves.
      name: `cachefs_cluster_${snakeCase(name)}`,
      help: `${name} of all nodes that are registered`,
      registers: [registry],
      collect() {
        gauge.set(clusterTotals(peers.list())[name])
      },
    })
  }
}
