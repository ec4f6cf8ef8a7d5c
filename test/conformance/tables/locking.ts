/** Record locks, open file description locks and flock(2) locks, between two processes. */
import { table } from '../case.ts'

const TYPES = ['read', 'write'] as const

/** Each pair of types, for each family of locks. */
function pairs(): string {
  return TYPES.flatMap((first) =>
    TYPES.flatMap((second) => {
      const result = first === 'read' && second === 'read' ? 'ok' : 'EAGAIN'
      const seen = result === 'ok' ? 'free' : `${first} 0 10`
      const kind = (type: string): string => (type === 'read' ? 'shared' : 'exclusive')
      return `
  # fcntl, ${first} then ${second}
  put f helloworld
  open a f O_RDWR
  two open b f O_RDWR
  lock a ${first} 0 10
  two lock b ${second} 5 10 -> ${result}
  two lock b ${second} 10 10 -> ok
  two lockGet b ${second} 0 20 -> ${seen}

  # open file descriptions, ${first} then ${second}
  put f helloworld
  open a f O_RDWR
  open b f O_RDWR
  ofdLock a ${first} 0 10
  ofdLock b ${second} 5 10 -> ${result}
  ofdLock b ${second} 10 10 -> ok

  # flock, ${first} then ${second}
  put f x
  open a f O_RDWR
  open b f O_RDWR
  two open c f O_RDWR
  flock a ${kind(first)}
  flock b ${kind(second)} -> ${result}
  two flock c ${kind(second)} -> ${result}
`
    }),
  ).join('\n')
}

export const locking = table(
  'locks',
  `${pairs()}
  # a process does not stand in its own way
  create f
  open a f O_RDWR
  open b f O_RDWR
  lock a write 0 10
  lock b write 5 10
  lock a read 0 20

  # a lock is given back in part
  create f
  open a f O_RDWR
  two open b f O_RDWR
  lock a write 0 100
  lock a unlock 40 20
  two lock b write 40 20
  two lock b write 39 1 -> EAGAIN
  two lock b write 60 1 -> EAGAIN
  two lockGet b write 60 1 -> write 60 40

  # a lock without length goes to the end, wherever that will be
  create f
  open a f O_RDWR
  two open b f O_RDWR
  lock a write 10 0
  two lock b write 1000000 1 -> EAGAIN
  two lock b write 0 10 -> ok

  # a lock from the end
  put f 0123456789
  open a f O_RDWR
  two open b f O_RDWR
  lock a write -5 5 END
  two lock b write 4 1 -> ok
  two lock b write 5 1 -> EAGAIN
  two lock b write 10 1 -> ok

  # a lock with a negative length is before its start
  put f 0123456789
  open a f O_RDWR
  two open b f O_RDWR
  lock a write 5 -5
  two lock b write 0 1 -> EAGAIN
  two lock b write 5 1 -> ok
  lock a write 2 -5 -> EINVAL

  # closing any descriptor gives back all locks of the process
  create f
  open a f O_RDWR
  open b f O_RDWR
  two open c f O_RDWR
  lock a write 0 10
  close b
  two lock c write 0 10 -> ok

  # closing another descriptor keeps locks of open file descriptions
  create f
  open a f O_RDWR
  open b f O_RDWR
  two open c f O_RDWR
  ofdLock a write 0 10
  close b
  two ofdLock c write 0 10 -> EAGAIN
  close a
  two ofdLock c write 0 10 -> ok

  # closing gives flock back, unless a duplicate is open
  create f
  open a f O_RDWR
  dup a b
  two open c f O_RDWR
  flock a exclusive
  close a
  two flock c exclusive -> EAGAIN
  close b
  two flock c exclusive -> ok

  # flock can be turned into the other kind
  create f
  open a f O_RDONLY
  two open b f O_RDONLY
  flock a exclusive
  flock a shared
  two flock b shared -> ok
  flock a exclusive -> EAGAIN
  two flock b unlock
  flock a exclusive -> ok

  # a write lock wants a descriptor that writes, a read lock one that reads
  create f
  open a f O_RDONLY
  open b f O_WRONLY
  lock a write 0 1 -> EBADF
  lock b read 0 1 -> EBADF
  lock a read 0 1 -> ok
  lock b write 5 1 -> ok

  # who waits gets the lock when it is given back
  create f
  open a f O_RDWR
  two open b f O_RDWR
  lock a write 0 10
  two start lockWaiting b write 0 10
  lock a unlock 0 10
  two finish -> ok
  lock a write 5 1 -> EAGAIN

  # who waits for flock gets it when it is given back
  create f
  open a f O_RDWR
  two open b f O_RDWR
  flock a exclusive
  two start flockWaiting b exclusive
  close a
  two finish -> ok

  # fcntl and flock do not know each other
  create f
  open a f O_RDWR
  two open b f O_RDWR
  lock a write 0 0
  two flock b exclusive -> ok

  # locks are of the file, whatever its name
  create f
  link f g
  open a f O_RDWR
  two open b g O_RDWR
  lock a write 0 1
  rename f h
  two lock b write 0 1 -> EAGAIN

  # unlocking what is not locked does nothing
  create f
  open a f O_RDWR
  lock a unlock 0 10
  flock a unlock
  ofdLock a unlock 0 10

  # an unlinked file can be locked
  create f
  open a f O_RDWR
  two open b f O_RDWR
  unlink f
  lock a write 0 1
  two lock b write 0 1 -> EAGAIN
  flock a exclusive
  two flock b exclusive -> EAGAIN
`,
)
