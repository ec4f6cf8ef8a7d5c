/**
 * Three nodes use the same files at the same moment: there is one winner where only one may win,
 * every record of every appender is present, open files stay readable wherever their names went,
 * and all nodes have the same tree at the end. CACHEFS_SEED repeats a run, CACHEFS_ROUNDS makes it
 * longer.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { censusOf } from '../fixtures/census.ts'
import { Cluster } from '../fixtures/cluster.ts'
import { Random } from '../fixtures/random.ts'
import { eventually } from '../fixtures/eventually.ts'

const ROUNDS = Number(process.env['CACHEFS_ROUNDS'] ?? 60)
const NODES = [0, 1, 2]
const LIMIT = { timeout: 120_000 + ROUNDS * 1000 }

let cluster: Cluster
const random = Random.fromEnvironment()

before(async () => {
  cluster = await Cluster.start({ flags: ['-chunk-size', '64K', '-nvme-capacity', '50M'] })
})
after(() => cluster[Symbol.asyncDispose]())

function path(node: number, ...names: string[]): string {
  return join(cluster.mount(node), ...names)
}

function codeOf(error: unknown): string {
  const { code, syscall, message } = error as NodeJS.ErrnoException
  return code?.startsWith('E') ? code : `${message} in ${syscall}`
}

/** Result of `run`: 'ok', or the code of its error. */
async function outcomeOf(run: () => Promise<unknown>): Promise<string> {
  try {
    await run()
    return 'ok'
  } catch (error) {
    return codeOf(error)
  }
}

/**
 * As `outcomeOf`, retried on ESTALE: the kernel repeats a lookup only once if the name is replaced
 * between its lookup and its use, and notices late that a name was moved on another node.
 */
async function settledOutcomeOf(run: () => Promise<unknown>): Promise<string> {
  for (let turn = 1; ; turn++) {
    const outcome = await outcomeOf(run)
    if (!outcome.includes('system error -116') || turn === 10) return outcome
    await delay(turn * 10)
  }
}

function assertEqualTrees(): void {
  const [first, ...others] = NODES.map((node) => censusOf(cluster.mount(node)))
  for (const other of others) assert.deepEqual(other, first)
}

test('three nodes that create a name at once, and do not insist, all have it', LIMIT, async () => {
  await fs.mkdir(path(0, 'made'))
  for (let round = 0; round < ROUNDS; round++) {
    const create = async (node: number): Promise<void> => {
      await fs.appendFile(path(node, 'made', `f${round}`), `${node}`)
    }
    const outcomes = await Promise.all(NODES.map((node) => outcomeOf(() => create(node))))
    assert.deepEqual(outcomes, ['ok', 'ok', 'ok'], `round ${round}`)
    const content = readFileSync(path(0, 'made', `f${round}`), 'utf8')
    assert.equal(Buffer.from(content).sort().toString(), '012')
  }
})

test('one of three nodes creates a name with O_EXCL', LIMIT, async (t) => {
  t.diagnostic(`CACHEFS_SEED=${random.seed}, ${ROUNDS} rounds`)
  await fs.mkdir(path(0, 'excl'))
  for (let round = 0; round < ROUNDS; round++) {
    const create = async (node: number): Promise<void> => {
      const file = await fs.open(path(node, 'excl', `f${round}`), 'wx')
      await file.write(`node ${node}`)
      await file.close()
    }
    const outcomes = await Promise.all(NODES.map((node) => outcomeOf(() => create(node))))
    assert.deepEqual([...outcomes].sort(), ['EEXIST', 'EEXIST', 'ok'], `round ${round}`)
    const winner = outcomes.indexOf('ok')
    for (const node of NODES) {
      assert.equal(readFileSync(path(node, 'excl', `f${round}`), 'utf8'), `node ${winner}`)
    }
  }
})

/** Appends numbered records of one size; a record is torn if its bytes differ. */
async function appendFrom(node: number, name: string, count: number, size: number): Promise<void> {
  const file = await fs.open(path(node, name), 'a')
  for (let at = 0; at < count; at++) {
    const record = Buffer.alloc(size, String.fromCharCode(97 + node))
    record.write(`<${node} ${at}>`)
    record.write('\n', size - 1)
    await file.write(record)
    if (random.below(5) === 0) await delay(random.below(4))
  }
  await file.close()
}

for (const size of [100, 4096, 10_001]) {
  test(`O_APPEND from three nodes: records of ${size} bytes`, LIMIT, async () => {
    const name = `log-${size}`
    const count = Math.max(20, Math.floor(ROUNDS / 4))
    writeFileSync(path(0, name), '')
    await Promise.all(NODES.map((node) => appendFrom(node, name, count, size)))
    for (const reader of NODES) {
      const lines = readFileSync(path(reader, name), 'latin1').split('\n')
      assert.equal(lines.pop(), '')
      for (const line of lines) {
        assert.match(line, /^<(\d) \d+>(a+|b+|c+)$/, `torn, node ${reader}`)
        assert.equal(line.length, size - 1)
      }
      for (const node of NODES) {
        const mine = lines.filter((line) => line.startsWith(`<${node} `))
        const numbers = mine.map((line) => Number(/ (\d+)>/.exec(line)?.[1]))
        assert.deepEqual(numbers, [...Array(count).keys()], `node ${node}, seen by ${reader}`)
      }
    }
  })
}

test('two nodes write one file in turns through descriptors that stay open', LIMIT, async () => {
  const name = 'turns'
  const content = Buffer.alloc(150_000, '.')
  writeFileSync(path(0, name), content)
  const files = await Promise.all(NODES.map((node) => fs.open(path(node, name), 'r+')))
  for (let turn = 0; turn < ROUNDS / 2; turn++) {
    const node = random.below(3)
    const data = Buffer.alloc(1 + random.below(9000), String.fromCharCode(97 + (turn % 26)))
    const at = random.below(content.length - data.length)
    await files[node]!.write(data, 0, data.length, at)
    data.copy(content, at)
    if (random.below(4) === 0) await files[node]!.sync()
  }
  for (const file of files) await file.close()
  for (const node of NODES) {
    assert.ok(readFileSync(path(node, name)).equals(content), `node ${node}`)
  }
})

test('writers of one file at the same time leave one content on all nodes', LIMIT, async () => {
  writeFileSync(path(0, 'both'), '')
  for (let round = 0; round < ROUNDS / 8; round++) {
    await Promise.all(
      NODES.map((node) => fs.writeFile(path(node, 'both'), Buffer.alloc(70_000, `${node}`))),
    )
    const [first, ...others] = NODES.map((node) => readFileSync(path(node, 'both')))
    for (const other of others) assert.ok(other.equals(first!), `round ${round}`)
  }
})

test('a file replaced by rename is there for every reader, old or new', LIMIT, async () => {
  const name = 'replaced'
  const contentOf = (version: number): string => `${version} `.repeat(2000)
  writeFileSync(path(0, name), contentOf(0))
  let acknowledged = 0
  let isDone = false
  const readers = [1, 2].map(async (node) => {
    let reads = 0
    for (; !isDone || reads === 0; reads++) {
      const least = acknowledged
      const text = await fs.readFile(path(node, name), 'utf8')
      const version = Number(text.split(' ', 1)[0])
      assert.equal(text, contentOf(version), `torn on node ${node}`)
      assert.ok(version >= least, `node ${node} saw ${version} after ${least} was acknowledged`)
      assert.equal((await fs.stat(path(node, name))).size > 0, true)
    }
  })
  const failed = Promise.all(readers)
  failed.catch(() => undefined)
  for (let version = 1; version <= ROUNDS; version++) {
    await fs.writeFile(path(0, 'replacement'), contentOf(version))
    await fs.rename(path(0, 'replacement'), path(0, name))
    acknowledged = version
  }
  isDone = true
  await failed
})

test('a file removed or replaced elsewhere stays readable, then goes for good', LIMIT, async () => {
  const content = random.bytes(200_000)
  const names = ['gone', 'over', 'dirty']
  for (const name of names) writeFileSync(path(0, name), content)
  await Promise.all(NODES.map((node) => cluster.nodes[node]!.act('wait', '/').catch(() => null)))
  const reader = await Promise.all(names.map((name) => fs.open(path(1, name), 'r+')))
  const inodes = await Promise.all(reader.map(async (file) => (await file.stat()).ino))
  await reader[2]!.write('new bytes of a file that is about to go', 0)
  writeFileSync(path(2, 'other'), 'other')
  await fs.unlink(path(2, 'gone'))
  await fs.rename(path(2, 'other'), path(2, 'over'))
  await fs.unlink(path(0, 'dirty'))
  for (const node of NODES) {
    assert.equal(existsSync(path(node, 'gone')), false)
    assert.equal(readFileSync(path(node, 'over'), 'utf8'), 'other')
  }
  for (const file of reader.slice(0, 2)) {
    const seen = Buffer.alloc(content.length)
    await file.read(seen, 0, seen.length, 0)
    assert.ok(seen.equals(content))
    assert.equal((await file.stat()).nlink, 0)
  }
  assert.deepEqual(
    await cluster.inodes(inodes),
    inodes.toSorted((a, b) => a - b),
  )
  for (const file of reader) await file.close()
  await eventually('the inodes go', async () => (await cluster.inodes(inodes)).length === 0)
  await eventually('chunks go', async () => (await cluster.chunks(inodes)) === 0)
  await eventually('objects and trash go', async () => (await cluster.trash()) === 0)
  for (const node of NODES) {
    await eventually(`bytes of node ${node} go`, () => cluster.backing(node, inodes).length === 0)
  }
  const objects = readdirSync(cluster.cloud, { recursive: true, withFileTypes: true })
  const left = objects.filter((entry) => inodes.some((ino) => entry.parentPath.endsWith(`/${ino}`)))
  assert.deepEqual(left, [])
})

test('a file without a name is one file to all who have it open', LIMIT, async () => {
  const content = random.bytes(200_000)
  writeFileSync(path(0, 'unlinked'), content)
  const files = await Promise.all([1, 2].map((node) => fs.open(path(node, 'unlinked'), 'r+')))
  const { ino } = await files[0]!.stat()
  // Not durable: the bytes are on a node that does not have the file open.
  await fs.unlink(path(0, 'unlinked'))
  const seen = Buffer.alloc(content.length)
  for (let turn = 0; turn < 6; turn++) {
    const data = random.bytes(1 + random.below(9000))
    const at = random.below(content.length - data.length)
    await files[turn % 2]!.write(data, 0, data.length, at)
    await files[turn % 2]!.sync()
    data.copy(content, at)
    const again = await fs.open(`/proc/self/fd/${files[(turn + 1) % 2]!.fd}`)
    await again.read(seen, 0, seen.length, 0)
    await again.close()
    assert.ok(seen.equals(content), `turn ${turn}`)
  }
  await files[0]!.close()
  await delay(1500)
  await files[1]!.read(seen, 0, seen.length, 0)
  assert.ok(seen.equals(content), 'the last one that has it open')
  await files[1]!.close()
  await eventually('the inode goes', async () => (await cluster.inodes([ino])).length === 0)
  for (const node of NODES) {
    await eventually(`bytes of node ${node} go`, () => cluster.backing(node, [ino]).length === 0)
  }
})

test('who writes a name that others remove and make again is told of no error', LIMIT, async () => {
  const outcomes = await Promise.all(
    NODES.map(async (node) => {
      const seen = new Set<string>()
      for (let round = 0; round < ROUNDS; round++) {
        const name = path(node, 'contested')
        if (random.below(5) < 3)
          seen.add(await settledOutcomeOf(() => fs.writeFile(name, `${round}`)))
        else seen.add(`unlink: ${await outcomeOf(() => fs.unlink(name))}`)
      }
      return seen
    }),
  )
  const expected = new Set(['ok', 'unlink: ok', 'unlink: ENOENT'])
  for (const seen of outcomes) assert.deepEqual(seen.difference(expected), new Set())
})

const ALLOWED = ['ok', 'ENOENT', 'EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR', 'EINVAL', 'EPERM']

test('directories and files made, moved and removed at once leave one tree', LIMIT, async () => {
  await fs.mkdir(path(0, 'tree'))
  const name = (): string => `d${random.below(4)}`
  const place = (node: number): string => {
    return random.below(2) === 0 ? path(node, 'tree', name()) : path(node, 'tree', name(), name())
  }
  const steps: ((node: number) => Promise<unknown>)[] = [
    (node) => fs.mkdir(place(node)),
    (node) => fs.rmdir(place(node)),
    (node) => fs.rename(place(node), place(node)),
    (node) => fs.writeFile(place(node), `${random.below(1000)}`),
    (node) => fs.unlink(place(node)),
    (node) => fs.link(place(node), place(node)),
    (node) => fs.readdir(place(node)),
  ]
  await Promise.all(
    NODES.map(async (node) => {
      for (let at = 0; at < ROUNDS; at++) {
        const which = random.below(steps.length)
        const outcome = await settledOutcomeOf(() => steps[which]!(node))
        assert.ok(ALLOWED.includes(outcome), `${outcome}: ${String(steps[which])} on node ${node}`)
      }
    }),
  )
  assertEqualTrees()
})

test('a directory that another node has moved is moved on', LIMIT, async () => {
  await fs.mkdir(path(0, 'from', 'moved'), { recursive: true })
  await fs.mkdir(path(0, 'to'))
  for (let round = 0; round < 10; round++) {
    const [at, next] = round % 2 === 0 ? ['from', 'to'] : ['to', 'from']
    const [one, other] = [round % 3, (round + 1) % 3] as [number, number]
    // The other node has the old location cached, and does no lookup before its rename.
    assert.ok(statSync(path(other, at, 'moved')).isDirectory())
    await fs.rename(path(one, at, 'moved'), path(one, next, 'moved'))
    const moveOn = (): Promise<void> =>
      fs.rename(path(other, next, 'moved'), path(other, at, 'again'))
    assert.equal(await settledOutcomeOf(moveOn), 'ok', `round ${round}`)
    await fs.rename(path(other, at, 'again'), path(other, next, 'moved'))
  }
  assertEqualTrees()
})

test('hard links and extended attributes are the same everywhere', LIMIT, async () => {
  writeFileSync(path(0, 'linked'), 'one')
  await fs.link(path(1, 'linked'), path(1, 'second'))
  await fs.appendFile(path(2, 'second'), ' two')
  execFileSync('setfattr', ['-n', 'user.colour', '-v', 'blue', path(2, 'linked')])
  for (const node of NODES) {
    assert.equal(readFileSync(path(node, 'linked'), 'utf8'), 'one two')
    assert.equal(statSync(path(node, 'linked')).ino, statSync(path(node, 'second')).ino)
    assert.equal(statSync(path(node, 'second')).nlink, 2)
    const value = execFileSync('getfattr', ['-n', 'user.colour', path(node, 'second')])
    assert.match(value.toString(), /user\.colour="blue"/)
  }
  await fs.unlink(path(0, 'linked'))
  execFileSync('setfattr', ['-x', 'user.colour', path(0, 'second')])
  for (const node of NODES) {
    assert.equal(statSync(path(node, 'second')).nlink, 1)
    assert.equal(execFileSync('getfattr', [path(node, 'second')]).toString(), '')
  }
})
