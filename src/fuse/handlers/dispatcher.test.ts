/** Dispatcher: one reply per request, written to a file in place of the kernel. */
import assert from 'node:assert/strict'
import { closeSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { lend, ownCopy } from '../../base/borrowed-bytes.ts'
import { NotStarted } from '../../base/suspended.ts'
import { ERRNO, FsError } from '../../base/fs-error.ts'
import { Dispatcher, defaultCacheTimeouts, type CacheTimeouts } from './dispatcher.ts'
import type { ServedFileSystem } from './exchange.ts'
import { OPCODE } from '../wire/opcode.ts'

const HEADER_WORDS = 10

function dispatcherOf(t: TestContext, fs: Partial<ServedFileSystem>, timeouts?: CacheTimeouts) {
  const path = join(tmpdir(), `cachefs-dispatcher-${process.pid}-${Math.random()}`)
  const fd = openSync(path, 'w+')
  t.after(() => {
    closeSync(fd)
    rmSync(path)
  })
  const interrupted: number[] = []
  const logged: string[] = []
  const traced: string[] = []
  const dispatcher = new Dispatcher({
    fd,
    fileSystem: fs as ServedFileSystem,
    timeouts: timeouts ?? defaultCacheTimeouts,
    interrupt: (unique) => interrupted.push(unique),
    log: (line) => logged.push(line),
    trace: (line) => traced.push(line),
  })
  let written = 0
  const ask = (opcode: number, body: Uint8Array = new Uint8Array(0)) => {
    const { bytes } = dispatcher.request
    const length = HEADER_WORDS * 4 + body.length
    new Uint32Array(bytes.buffer, 0, HEADER_WORDS).set([length, opcode, 6, 0, 1, 0, 2, 3, 4, 0])
    bytes.set(body, HEADER_WORDS * 4)
    const blocked = dispatcher.dispatch(length)
    const reply = Buffer.alloc(4096)
    const got = readSync(fd, reply, 0, reply.length, written)
    written += got
    return { blocked, reply: reply.subarray(0, got) }
  }
  return { ask, interrupted, logged, traced }
}

const bytesOf = (text: string): Buffer => Buffer.from(text, 'latin1')
const errorOf = (reply: Buffer): number => reply.readInt32LE(4)

test('no opcode breaks the dispatcher', (t) => {
  const { ask } = dispatcherOf(t, {})
  const silent = new Set<number>([
    OPCODE.FORGET,
    OPCODE.BATCH_FORGET,
    OPCODE.INTERRUPT,
    OPCODE.NOTIFY_REPLY,
  ])
  for (let opcode = 0; opcode < 70; opcode++) {
    const { reply } = ask(opcode, new Uint8Array(128))
    assert.equal(reply.length > 0, !silent.has(opcode), `opcode ${opcode}`)
  }
})

test('unsupported and unknown opcodes are rejected with ENOSYS', (t) => {
  const { ask } = dispatcherOf(t, {})
  for (const opcode of [
    OPCODE.ACCESS,
    OPCODE.SETLK,
    OPCODE.POLL,
    OPCODE.COPY_FILE_RANGE,
    63,
    4096,
  ]) {
    const { reply } = ask(opcode, new Uint8Array(64))
    assert.equal(reply.toString('hex'), '10000000daffffff0600000000000000')
  }
})

test('errors become errnos; an unexpected error becomes EIO and is logged', (t) => {
  const { ask, logged } = dispatcherOf(t, {
    unlink: () => {
      throw new FsError('EBUSY', 'in use')
    },
    rmdir: () => {
      throw new TypeError('a mistake')
    },
  })
  assert.equal(errorOf(ask(OPCODE.UNLINK, bytesOf('a\0')).reply), -ERRNO.EBUSY)
  assert.equal(logged.length, 0)
  assert.equal(errorOf(ask(OPCODE.RMDIR, bytesOf('a\0')).reply), -ERRNO.EIO)
  assert.match(logged.join(), /RMDIR of inode 1 failed: TypeError: a mistake/)
})

test('the log lines of one second are bounded', (t) => {
  const { ask, logged } = dispatcherOf(t, {})
  for (let n = 0; n < 500; n++) ask(OPCODE.RMDIR, bytesOf('a\0'))
  assert.ok(logged.length < 100)
})

test('a suspended request is returned without a reply', (t) => {
  const { ask, traced } = dispatcherOf(t, {
    unlink: () => {
      throw new NotStarted({ chunk: 1 })
    },
  })
  const { blocked, reply } = ask(OPCODE.UNLINK, bytesOf('a\nb\0'))
  assert.deepEqual(blocked?.condition, { chunk: 1 })
  assert.equal(reply.length, 0)
  assert.match(traced.join(), /^#6 UNLINK ino=1 "a\\nb" -> blocked \d+us$/)
})

test('an absent name is an error, or a negative entry that the kernel may cache', (t) => {
  const lookup = (): never => {
    throw new FsError('ENOENT', 'no such name')
  }
  const forgetful = dispatcherOf(t, { lookup })
  assert.equal(errorOf(forgetful.ask(OPCODE.LOOKUP, bytesOf('a\0')).reply), -ERRNO.ENOENT)
  const timeouts = { ...defaultCacheTimeouts, negativeMs: 3000 }
  const { reply } = dispatcherOf(t, { lookup }, timeouts).ask(OPCODE.LOOKUP, bytesOf('a\0'))
  assert.equal(reply.length, 144)
  assert.equal(reply.readBigUInt64LE(16), 0n)
  assert.equal(reply.readUInt32LE(32), 3)
})

test('a change of attributes has the fields that its mask selects', (t) => {
  const changes: unknown[] = []
  const { ask } = dispatcherOf(t, {
    setattr: (caller, ino, change, handle) => {
      changes.push({ ...caller }, ino, change, handle)
      throw new FsError('EPERM', 'enough seen')
    },
  })
  const body = Buffer.alloc(88)
  body.writeUInt32LE(1 | 2 | 4 | 8 | 16 | 32 | 64 | 1024 | 2048)
  body.writeBigUInt64LE(77n, 8)
  body.writeBigUInt64LE(2n ** 40n, 16)
  body.writeBigInt64LE(-5n, 32)
  body.writeBigInt64LE(6n, 40)
  body.writeBigInt64LE(7n, 48)
  for (const [at, value] of [
    [56, 1],
    [60, 2],
    [64, 3],
    [68, 0o644],
    [76, 8],
    [80, 9],
  ] as const) {
    body.writeUInt32LE(value, at)
  }
  ask(OPCODE.SETATTR, body)
  assert.deepEqual(changes.splice(0), [
    { uid: 2, gid: 3, pid: 4 },
    1,
    {
      mode: 0o644,
      uid: 8,
      gid: 9,
      size: 2 ** 40,
      atime: { sec: -5, nsec: 1 },
      mtime: { sec: 6, nsec: 2 },
      ctime: { sec: 7, nsec: 3 },
      killSetId: true,
    },
    77,
  ])
  body.writeUInt32LE(16 | 32 | 128 | 256)
  ask(OPCODE.SETATTR, body)
  assert.deepEqual(changes.slice(2), [{ atime: 'now', mtime: 'now' }, undefined])
})

test('O_APPEND applies to writes, but not to the write-back of mapped pages', (t) => {
  const seen: unknown[] = []
  const { ask } = dispatcherOf(t, {
    write: (_caller, ino, handle, offset, source, how) => {
      seen.push([ino, handle, offset, Buffer.from(ownCopy(source)).toString(), how])
      return source.length
    },
  })
  const body = Buffer.concat([Buffer.alloc(40), bytesOf('data')])
  body.writeBigUInt64LE(9n)
  body.writeBigUInt64LE(100n, 8)
  body.writeUInt32LE(4, 16)
  body.writeUInt32LE(0o2000, 32)
  body.writeUInt32LE(4, 20)
  assert.equal(ask(OPCODE.WRITE, body).reply.toString('hex', 16), '0400000000000000')
  body.writeUInt32LE(1, 20)
  ask(OPCODE.WRITE, body)
  assert.deepEqual(seen, [
    [
      1,
      9,
      100,
      'data',
      { append: true, killSetId: true, writeback: false, bypassesPages: false, sync: false },
    ],
    [
      1,
      9,
      100,
      'data',
      { append: false, killSetId: false, writeback: true, bypassesPages: false, sync: false },
    ],
  ])
})

test('data is read into the reply behind its header', (t) => {
  const { ask } = dispatcherOf(t, {
    read: (_caller, _ino, _handle, offset, target) => {
      assert.deepEqual([offset, target.length], [5, 10])
      return lend(target, (view) => {
        view.set(bytesOf('abc'))
        return 3
      })
    },
  })
  const body = Buffer.alloc(40)
  body.writeBigUInt64LE(5n, 8)
  body.writeUInt32LE(10, 16)
  assert.equal(ask(OPCODE.READ, body).reply.toString('latin1', 16), 'abc')
})

test('getxattr returns the size, the value, or ERANGE', (t) => {
  const { ask } = dispatcherOf(t, { getxattr: () => bytesOf('value') })
  const body = Buffer.concat([Buffer.alloc(8), bytesOf('user.a\0')])
  assert.equal(ask(OPCODE.GETXATTR, body).reply.readUInt32LE(16), 5)
  body.writeUInt32LE(5)
  assert.equal(ask(OPCODE.GETXATTR, body).reply.toString('latin1', 16), 'value')
  body.writeUInt32LE(4)
  assert.equal(errorOf(ask(OPCODE.GETXATTR, body).reply), -ERRNO.ERANGE)
})

test('INTERRUPT is passed on with its request and gets no reply', (t) => {
  const { ask, interrupted } = dispatcherOf(t, {})
  const { reply } = ask(OPCODE.INTERRUPT, new Uint8Array([8, 0, 0, 0, 0, 0, 0, 128]))
  assert.equal(reply.length, 0)
  assert.deepEqual(interrupted, [8])
})
