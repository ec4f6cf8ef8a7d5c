/**
 * Repeated kill -9 of the node during random work. After every restart, acknowledged changes are
 * present byte for byte, and interrupted ones as far as they got. At the end everything is read
 * back from the cloud alone. Prints its seed; CACHEFS_SEED repeats a run.
 */
import assert from 'node:assert/strict'
import { closeSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Random } from '../fixtures/random.ts'

const ROUNDS = Number(process.env['CACHEFS_ROUNDS'] ?? 8)
const NAMES = 24
const CHUNK = 1024 * 1024

/** Acknowledged content by name. */
type Model = Map<string, Buffer>

/**
 * One operation: the names that it affects, and the content that is acceptable if it is
 * interrupted.
 */
interface Step {
  what: string
  names: string[]
  run(): Promise<void>
  /** Applies the operation to the model, when acknowledged. */
  done(model: Model): void
  /** Whether `name` may have the content `found` if the step was interrupted. */
  allows(name: string, found: Buffer | undefined, before: Model): boolean
}

class Workload {
  readonly #root: string
  readonly #random: Random

  constructor(root: string, random: Random) {
    this.#root = root
    this.#random = random
  }

  next(model: Model): Step {
    const name = `f${this.#random.below(NAMES)}`
    const content = model.get(name)
    if (content === undefined) return this.#replace(name)
    switch (this.#random.below(7)) {
      case 0:
        return this.#replace(name)
      case 1:
        return this.#overwrite(name, content)
      case 2:
        return this.#append(name, content)
      case 3:
        return this.#truncate(name, content)
      case 4:
        return this.#rename(name, `f${this.#random.below(NAMES)}`, content)
      case 5:
        return this.#replaceByRename(name)
      default:
        return this.#unlink(name)
    }
  }

  #bytes(): Buffer {
    const largest = this.#random.below(4) === 0 ? 3 * CHUNK : 20_000
    return this.#random.bytes(this.#random.below(largest))
  }

  #path(name: string): string {
    return join(this.#root, name)
  }

  #replace(name: string): Step {
    const data = this.#bytes()
    return {
      what: 'replace',
      names: [name],
      run: () => fs.writeFile(this.#path(name), data),
      done: (model) => model.set(name, data),
      allows: (_name, found, before) =>
        same(found, before.get(name)) || (found !== undefined && isPrefix(found, data)),
    }
  }

  #overwrite(name: string, content: Buffer): Step {
    const data = this.#bytes()
    const offset = this.#random.below(content.length + 1)
    const after = Buffer.alloc(Math.max(content.length, offset + data.length))
    content.copy(after)
    data.copy(after, offset)
    const syncs = this.#random.below(2) === 0
    return {
      what: 'overwrite',
      names: [name],
      run: async () => {
        await using file = await fs.open(this.#path(name), 'r+')
        await file.write(data, 0, data.length, offset)
        if (syncs) await file.sync()
      },
      done: (model) => model.set(name, after),
      allows: (_name, found) => found !== undefined && isMix(found, content, after),
    }
  }

  #append(name: string, content: Buffer): Step {
    const data = this.#bytes()
    const after = Buffer.concat([content, data])
    return {
      what: 'append',
      names: [name],
      run: () => fs.appendFile(this.#path(name), data),
      done: (model) => model.set(name, after),
      allows: (_name, found) =>
        found !== undefined && found.length >= content.length && isPrefix(found, after),
    }
  }

  #truncate(name: string, content: Buffer): Step {
    const size = this.#random.below(Math.ceil(content.length * 1.2) + 1)
    const after = Buffer.alloc(size)
    content.copy(after)
    return {
      what: 'truncate',
      names: [name],
      run: () => fs.truncate(this.#path(name), size),
      done: (model) => model.set(name, after),
      allows: (_name, found) => same(found, content) || same(found, after),
    }
  }

  #rename(from: string, to: string, content: Buffer): Step {
    return {
      what: 'rename',
      names: [from, to],
      run: () => fs.rename(this.#path(from), this.#path(to)),
      done: (model) => {
        model.delete(from)
        model.set(to, content)
      },
      allows: (name, found, before) => {
        const moved = name === to ? content : undefined
        return same(found, before.get(name)) || same(found, moved)
      },
    }
  }

  /** The safe way to replace a file: the name always has one complete version. */
  #replaceByRename(name: string): Step {
    const data = this.#bytes()
    const temporary = `${name}.new`
    return {
      what: 'replace by rename',
      names: [name, temporary],
      run: async () => {
        const fd = openSync(this.#path(temporary), 'w')
        if (data.length > 0) writeSync(fd, data)
        closeSync(fd)
        await fs.rename(this.#path(temporary), this.#path(name))
      },
      done: (model) => {
        model.delete(temporary)
        model.set(name, data)
      },
      allows: (at, found, before) => {
        if (at === temporary) {
          return found === undefined || isPrefix(found, data) || same(found, before.get(at))
        }
        return same(found, before.get(name)) || same(found, data)
      },
    }
  }

  #unlink(name: string): Step {
    return {
      what: 'unlink',
      names: [name],
      run: () => fs.unlink(this.#path(name)),
      done: (model) => model.delete(name),
      allows: (_name, found, before) => found === undefined || same(found, before.get(name)),
    }
  }
}

function same(found: Buffer | undefined, wanted: Buffer | undefined): boolean {
  return found === wanted || (found !== undefined && wanted !== undefined && found.equals(wanted))
}

function isPrefix(found: Buffer, whole: Buffer): boolean {
  return found.length <= whole.length && found.equals(whole.subarray(0, found.length))
}

/** Whether every byte is the old or the new one at its offset. */
function isMix(found: Buffer, before: Buffer, after: Buffer): boolean {
  if (found.length < before.length || found.length > after.length) return false
  return found.every((byte, at) => byte === before[at] || byte === after[at])
}

function snapshot(root: string): Model {
  return new Map(readdirSync(root).map((name) => [name, readFileSync(join(root, name))]))
}

function difference(found: Buffer | undefined, wanted: Buffer | undefined): string {
  if (found === undefined || wanted === undefined) return found ? 'not wanted' : 'missing'
  const differs = (byte: number, at: number): boolean => byte !== wanted[at]
  const [first, last] = [found.findIndex(differs), found.findLastIndex(differs)]
  const zeros = found.subarray(first, last + 1).every((byte) => byte === 0)
  const what = zeros ? 'zeros' : 'other bytes'
  return `${found.length} bytes for ${wanted.length}, ${what} from ${first} to ${last}`
}

/**
 * Asserts that the tree equals the model; the names of an interrupted step may differ as it allows.
 */
function verify(root: string, model: Model, cut: Step | undefined): Model {
  const found = snapshot(root)
  for (const name of new Set([...model.keys(), ...found.keys()])) {
    const here = found.get(name)
    if (same(here, model.get(name))) continue
    const why = `${name}: ${difference(here, model.get(name))}; cut off: ${cut?.what ?? 'nothing'}`
    assert.ok(cut?.names.includes(name) && cut.allows(name, here, model), why)
  }
  return found
}

/** Works until the node is killed; returns the interrupted step. */
async function work(workload: Workload, model: Model): Promise<Step> {
  for (;;) {
    const step = workload.next(model)
    try {
      await step.run()
    } catch {
      return step
    }
    step.done(model)
  }
}

test('kill -9 loses nothing that was acknowledged', { timeout: 600_000 }, async (t) => {
  const random = Random.fromEnvironment()
  t.diagnostic(`CACHEFS_SEED=${random.seed}`)
  using home = new ClientHome()
  const workload = new Workload(home.mount, random)
  let model: Model = new Map()
  const flags = ['-chunk-size', '1', '-nvme-capacity', '1']
  for (let round = 0; round < ROUNDS; round++) {
    const client = await ClientProcess.start(home, { flags })
    const working = work(workload, model)
    await delay(100 + random.below(900))
    await client.kill()
    const cut = await working
    const restarted = await ClientProcess.start(home, { flags })
    model = verify(home.mount, model, cut)
    await restarted.kill()
  }
  const client = await ClientProcess.start(home, { flags })
  await client.act('wait', '/')
  await client.act('evict', '/')
  verify(home.mount, model, undefined)
  assert.equal(await client.stop(), 0)
})
