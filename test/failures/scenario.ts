/**
 * Faults while programs on all nodes write and read: each node writes its own file and a shared
 * one, and reads what the others write. Afterwards the history must be that of one register per
 * file, no system call may have exceeded its bound, every node must work again, and all nodes must
 * have the same bytes, also when read from the cloud.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { Random } from '../fixtures/random.ts'
import { limits } from '../../src/limits.ts'
import { Actors } from './actors.ts'
import { MIXED, describe, torn, violations, type Operation } from './history.ts'
import type { Fault } from './faults.ts'
import { IsolatedCluster, NODES } from './isolated-cluster.ts'
import { contentOf, valueOf } from './version.ts'

const BEFORE_MS = 2_000
const AFTER_MS = 3_000
/** Time for all nodes to recover, ms; the actual time is printed. */
const RECOVERY_MS = 60_000
/** Allowance for a busy machine per call, ms. */
const BUSY_MS = 10_000
const SHARED = 'shared'
const FILES = [SHARED, ...NODES.map((node) => `own-${node}`)]
const FIRST = 'first'

/**
 * Bound of a call that waits for the coordinator, ms: the lease may have to expire before the wait
 * begins.
 */
const CALL_MS = limits.linkTtlMs + limits.linkOperationMs + BUSY_MS

/** Faults that begin together, each with its node. */
export type Step = readonly (readonly [fault: Fault, at: number])[]

/** A completed step, and when its effects ended. */
interface Past {
  step: Step
  began: number
  wellAt: number
}

/** Runs the steps, each after recovery from the one before. */
export async function survive(t: TestContext, steps: readonly Step[]): Promise<void> {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  await using cluster = await IsolatedCluster.start()
  try {
    await use(t, steps, cluster, random)
  } catch (error) {
    process.stderr.write(`${cluster.log}\n`)
    throw error
  }
}

async function use(
  t: TestContext,
  steps: readonly Step[],
  cluster: IsolatedCluster,
  random: Random,
): Promise<void> {
  for (const file of FILES) writeFileSync(join(cluster.mount(0), file), contentOf(FIRST))
  await using actors = startActors(cluster, random)
  const past: Past[] = []
  for (const step of steps) {
    await delay(BEFORE_MS)
    past.push(await make(t, step, cluster, actors))
  }
  await delay(AFTER_MS)
  await actors.stop()
  t.diagnostic(summary(actors.history))
  const history = [...firstWrites(), ...actors.history]
  for (const read of torn(history)) t.diagnostic(`torn: ${describe(read)}`)
  check(past, history)
  await compare(cluster, history)
}

async function make(
  t: TestContext,
  step: Step,
  cluster: IsolatedCluster,
  actors: Actors,
): Promise<Past> {
  const began = now()
  let ended = began
  const happen = step.map(async ([fault, at]) => {
    await fault.begin(cluster, at)
    try {
      await delay(fault.ms)
    } finally {
      ended = now()
      await fault.end(cluster, at)
    }
  })
  for (const outcome of await Promise.allSettled(happen)) {
    if (outcome.status === 'rejected') throw outcome.reason
  }
  const recovered = await recovery(actors, ended)
  const names = step.map(([fault]) => fault.name).join(', and ')
  t.diagnostic(`recovered ${Math.round(recovered)} ms after: ${names}`)
  return { step, began, wellAt: ended + recovered }
}

function firstWrites(): Operation[] {
  const always = { start: -Infinity, end: -Infinity, slowest: { call: '', ms: 0 } }
  return FILES.map((file) => ({ node: 0, kind: 'write', file, value: FIRST, ...always }))
}

function startActors(cluster: IsolatedCluster, random: Random): Actors {
  const actors = new Actors()
  for (const node of NODES) {
    const [own, mount] = [`own-${node}`, cluster.mount(node)]
    actors.add('write', node, random, mount, [SHARED, own])
    // Two readers: a reader of this node's files waits when their writer does.
    actors.add('read', node, random, mount, [SHARED])
    const others = FILES.filter((file) => file !== SHARED && file !== own)
    actors.add('read', node, random, mount, others)
  }
  return actors
}

/** Waits until each node has written and read with operations that began after the fault ended. */
async function recovery({ history }: Actors, ended: number): Promise<number> {
  const until = ended + RECOVERY_MS
  const wanted = NODES.flatMap((node) => [
    ...(['read', 'write'] as const).map((kind) => ({ node, kind })),
  ])
  for (;;) {
    const first = wanted.map(({ node, kind }) => {
      return history.find((operation) => {
        const isIts = operation.node === node && operation.kind === kind
        return isIts && operation.error === undefined && operation.start >= ended
      })
    })
    if (first.every((operation) => operation !== undefined)) {
      return Math.max(...first.map(({ end }) => end)) - ended
    }
    assert.ok(now() < until, `not all nodes work ${RECOVERY_MS} ms after the failure`)
    await delay(100)
  }
}

function check(past: readonly Past[], history: readonly Operation[]): void {
  assert.deepEqual(violations(history), [])
  for (const operation of history) {
    const { slowest } = operation
    assert.ok(slowest.ms < CALL_MS, `${describe(operation)}: ${JSON.stringify(slowest)}`)
    if (operation.error === undefined) continue
    const isExpected = past.some((step) => explains(step, operation))
    assert.ok(isExpected, `${describe(operation)}, after ${past.map(({ began }) => began).join()}`)
  }
}

function explains({ step, began, wellAt }: Past, operation: Operation): boolean {
  const { node, kind, error, start, end } = operation
  const isInTime = end > began && start < wellAt
  const said = `${kind} ${error}`
  return step.some(([fault, at]) => {
    const there = at === node ? (fault.errorsThere ?? []) : []
    return isInTime && [...fault.errors, ...there].includes(said)
  })
}

/**
 * Asserts that all nodes have the same, complete content of the last writes, and that it is
 * durable.
 */
async function compare(cluster: IsolatedCluster, history: readonly Operation[]): Promise<void> {
  for (const node of cluster.nodes) await node.act('wait', '/')
  const before = NODES.map((node) => sums(cluster, node))
  for (const node of NODES) assert.deepEqual(before[node], before[0], `n${node}`)
  const at = now()
  const last = NODES.flatMap((node) => FILES.map((file) => finalRead(cluster, node, file, at)))
  assert.deepEqual(violations([...history, ...last]), [])
  for (const node of cluster.nodes) await node.act('evict', '/')
  for (const node of NODES) assert.deepEqual(sums(cluster, node), before[0], `n${node}, evicted`)
}

function finalRead(cluster: IsolatedCluster, node: number, file: string, at: number): Operation {
  const value = valueOf(readFileSync(join(cluster.mount(node), file)))
  assert.ok(!value.startsWith(MIXED), `${file} on n${node} is ${value}`)
  const slowest = { call: '', ms: 0 }
  return { node, kind: 'read', file, value, start: at, end: now(), slowest }
}

function sums(cluster: IsolatedCluster, node: number): Record<string, string> {
  const entries = FILES.map((file): [string, string] => {
    const content = readFileSync(join(cluster.mount(node), file))
    return [file, createHash('sha256').update(content).digest('hex')]
  })
  return Object.fromEntries(entries)
}

function summary(history: readonly Operation[]): string {
  const failed = history.filter(({ error }) => error !== undefined)
  const codes = [...new Set(failed.map(({ kind, error }) => `${kind} ${error}`))]
  const { ms, call } = history.reduce((a, b) => (a.slowest.ms > b.slowest.ms ? a : b)).slowest
  const ends = `${failed.length} failed (${codes.join(', ')})`
  return `${history.length} operations, ${ends}, longest call: ${call}, ${Math.round(ms)} ms`
}

/** The clock of the programs, ms. */
function now(): number {
  return Number(process.hrtime.bigint()) / 1e6
}
