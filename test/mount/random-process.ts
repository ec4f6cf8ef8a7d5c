/**
 * One of several processes that work at random on two directories, which must give equal results:
 * `node random-process.ts SEED OPERATIONS MOUNT REFERENCE`. Each process has its own names, so its
 * results do not depend on the others, which work in the same directories.
 */
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { join } from 'node:path'
import { Random } from '../fixtures/random.ts'

const [seed = '', count = '', mount = '', reference = ''] = process.argv.slice(2)
const random = new Random(Number(seed))
const NAMES = 12
const LARGEST = 400_000

type Operation = (root: string) => unknown

function name(): string {
  const folder = `d${random.below(3)}`
  return random.below(3) === 0
    ? `${seed}-${random.below(NAMES)}`
    : join(folder, `${seed}-${random.below(NAMES)}`)
}

/** The next operation with all random choices made: it must have equal results on both sides. */
function nextOperation(): [what: string, operation: Operation] {
  const [a, b] = [name(), name()]
  const data = random.bytes(random.below(LARGEST))
  const offset = random.below(2 * LARGEST)
  const length = random.below(LARGEST)
  const mode = 0o600 + random.below(0o200)
  const operations: [string, Operation][] = [
    ['write', (root) => fs.writeFileSync(join(root, a), data)],
    ['append', (root) => fs.appendFileSync(join(root, a), data.subarray(0, 1000))],
    [
      'overwrite',
      (root) =>
        withFile(join(root, a), 'r+', (fd) => fs.writeSync(fd, data, 0, data.length, offset)),
    ],
    ['truncate', (root) => fs.truncateSync(join(root, a), offset)],
    ['rename', (root) => fs.renameSync(join(root, a), join(root, b))],
    ['link', (root) => fs.linkSync(join(root, a), join(root, b))],
    ['symlink', (root) => fs.symlinkSync(a, join(root, b))],
    ['unlink', (root) => fs.unlinkSync(join(root, a))],
    ['mkdir', (root) => fs.mkdirSync(join(root, a))],
    ['rmdir', (root) => fs.rmdirSync(join(root, a))],
    ['chmod', (root) => fs.chmodSync(join(root, a), mode)],
    ['utimes', (root) => fs.utimesSync(join(root, a), offset, length)],
    ['stat', (root) => attributes(join(root, a))],
    ['readlink', (root) => fs.readlinkSync(join(root, a))],
    ['read', (root) => fs.readFileSync(join(root, a))],
    ['read part', (root) => withFile(join(root, a), 'r', (fd) => readPart(fd, offset, length))],
    ['unlink open', (root) => unlinkOpen(join(root, a), data)],
  ]
  return operations[random.below(operations.length)]!
}

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags)
  try {
    return use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function readPart(fd: number, offset: number, length: number): Buffer {
  const part = Buffer.alloc(length)
  return part.subarray(0, fs.readSync(fd, part, 0, length, offset))
}

/** An open unlinked file stays usable while it is open. */
function unlinkOpen(path: string, data: Buffer): Buffer {
  return withFile(path, 'r+', (fd) => {
    fs.unlinkSync(path)
    fs.writeSync(fd, data, 0, data.length, 0)
    return readPart(fd, 0, 2 * LARGEST)
  })
}

function attributes(path: string): unknown {
  const { mode, nlink, size, uid, gid } = fs.lstatSync(path)
  return { mode, nlink, uid, gid, size: fs.lstatSync(path).isDirectory() ? 0 : size }
}

function outcome(operation: Operation, root: string): unknown {
  try {
    return operation(root)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code
  }
}

for (let at = 0; at < Number(count); at++) {
  const [what, operation] = nextOperation()
  const wanted = outcome(operation, reference)
  const found = outcome(operation, mount)
  assert.deepEqual(found, wanted, `operation ${at} (${what}) of the process with seed ${seed}`)
}
