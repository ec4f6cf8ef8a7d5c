/**
 * `/metrics` of a node in the Prometheus format: the counters and gauges of its cache, and the
 * default metrics of the Node process.
 */
import { Counter, Gauge, collectDefaultMetrics } from 'prom-client'
import type { Registry } from 'prom-client'
import type { NodeStatus } from './node-status.ts'

const GAUGES = [
  'usedBytes',
  'capacityBytes',
  'unsyncedBytes',
  'diskFreeBytes',
  'damagedEntries',
  'damagedBytes',
]

export function nodeMetrics(node: NodeStatus, registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of Object.keys(node.cacheStats())) {
    const counter: Counter = new Counter({
      name: `cachefs_${snakeCase(name)}_total`,
      help: `${name} since the start`,
      registers: [registry],
      collect() {
        counter.reset()
        counter.inc(node.cacheStats()[name] ?? 0)
      },
    })
  }
  for (const name of GAUGES) {
    const gauge: Gauge = new Gauge({
      name: `cachefs_${snakeCase(name)}`,
      help: `${name} of the NVMe cache`,
      registers: [registry],
      collect() {
        gauge.set(Number(node.cache()[name] ?? 0))
      },
    })
  }
}

export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
