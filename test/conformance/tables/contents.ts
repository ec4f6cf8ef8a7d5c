/** Bytes: writing, truncating, holes, fallocate, copies. */
import { table } from '../case.ts'

export const contents = table(
  'contents',
  `
  # bytes are read back as they were written
  put f hello
  content f -> hello
  stat f size -> 5
  open a f O_RDWR
  pwrite a 1 E
  pread a 0 5 -> hEllo
  pread a 3 5 -> lo
  pread a 5 5 -> ""
  pread a 100 5 -> ""
  pread a -1 5 -> EINVAL
  pwrite a -1 x -> EINVAL

  # a write beyond the end leaves zeros between
  open a f O_RDWR|O_CREAT
  write a hello
  pwrite a 10 world
  content f -> hello+.*5+world
  pread a 4 7 -> o+.*5+w

  # a write far beyond the end leaves a hole
  open a f O_RDWR|O_CREAT
  pwrite a 10M x
  fstat a size allocated -> 10485761 some
  pread a 10485755 10 -> .*5+x
  pread a 0 8 -> .*8

  # truncate cuts
  put f helloworld
  truncate f 5
  content f -> hello
  stat f size -> 5
  truncate f 0
  content f -> ""

  # truncate extends with zeros
  put f hello
  truncate f 8
  content f -> hello...
  truncate f 3
  truncate f 8
  content f -> hel+.*5

  # bytes that were cut do not come back
  put f x*10000
  truncate f 100
  truncate f 10000
  content f -> x*100+.*9900
  open a f O_RDWR
  pwrite a 5000 y
  content f -> x*100+.*4900+y+.*4999

  # bytes that were cut do not come back through a descriptor or a mapping
  put f x*8192
  open a f O_RDWR
  mmap m a read shared 8192
  load m 4096 4 -> x*4
  ftruncate a 4097
  ftruncate a 8192
  load m 4096 8 -> x+.*7
  pread a 4096 8 -> x+.*7

  # truncate of what cannot be
  mkdir d
  truncate d 1 -> EISDIR
  create f
  truncate f -1 -> EINVAL
  open a f O_RDONLY
  ftruncate a 1 -> EINVAL
  open b d O_RDONLY
  ftruncate b 1 -> EINVAL
  mknod p S_IFIFO
  truncate p 1 -> EINVAL

  # truncate to what is larger than a file can be
  create f
  truncate f 9000000000000000000 -> EFBIG

  # a file may be truncated while it is open
  put f hello
  open a f O_RDWR
  truncate f 2
  pread a 0 5 -> he
  fstat a size -> 2
  pwrite a 4 x
  content f -> he..x

  # a large file is sparse
  create f
  truncate f 256M
  stat f size allocated -> 268435456 none
  open a f O_RDWR
  pread a 125M 4 -> .*4
  pwrite a 125M data
  pread a 131071999 6 -> .data.
  fstat a allocated -> some

  # data and holes can be found
  open a f O_RDWR|O_CREAT
  ftruncate a 16M
  pwrite a 4M x*4096
  pwrite a 12M y*4096
  lseek a 0 DATA -> 4194304
  lseek a 4M HOLE -> 4198400
  lseek a 5M DATA -> 12582912
  lseek a 12M HOLE -> 12587008
  lseek a 13M DATA -> ENXIO
  lseek a 13M HOLE -> 13631488
  lseek a 16M DATA -> ENXIO
  lseek a 17M HOLE -> ENXIO

  # a file without holes has one at its end
  put f hello
  open a f O_RDONLY
  lseek a 0 DATA -> 0
  lseek a 0 HOLE -> 5
  lseek a 5 HOLE -> ENXIO
  lseek a -1 DATA -> ENXIO

  # many small writes
  open a f O_RDWR|O_CREAT
  repeat a 1000 0123456789
  fstat a size -> 10000
  pread a 9995 10 -> 56789

  # writes across a block and across a chunk
  open a f O_RDWR|O_CREAT
  pwrite a 4090 x*20
  pread a 4088 24 -> ..+x*20
  pwrite a 1048570 y*20
  pread a 1048566 30 -> .*4+y*20

  # a copy within the file system
  put f helloworld
  open a f O_RDONLY
  open b g O_RDWR|O_CREAT
  copy a b 5 -> 5
  copy a b 100 -> 5
  copy a b 100 -> 0
  content g -> helloworld

  # a copy to a file that is open to read only, or from one to write only
  put f hello
  put g world
  open a f O_RDONLY
  open b g O_RDONLY
  open c g O_WRONLY
  copy a b 5 -> EBADF
  copy c c 5 -> EBADF

  # statfs is consistent
  statfs . -> consistent
`,
)

/** `x*64K` with a changed part, in the notation of results. */
export const allocation = table(
  'fallocate',
  `
  # reserves blocks and extends the file
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 64K
  fstat a size kib -> 65536 64
  pread a 0 8 -> .*8
  pread a 65530 8 -> .*6

  # with KEEP_SIZE reserves blocks and leaves the size
  open a f O_RDWR|O_CREAT
  write a hello
  fallocate a KEEP_SIZE 0 64K
  fstat a size kib -> 5 64
  content f -> hello
  pwrite a 10 x
  content f -> hello+.*5+x

  # reserves what is not there, and keeps what is
  open a f O_RDWR|O_CREAT
  write a x*5000
  fallocate a 0 0 64K
  fstat a size kib -> 65536 64
  pread a 4990 20 -> x*10+.*10

  # reserves within the size
  open a f O_RDWR|O_CREAT
  ftruncate a 128K
  fstat a allocated -> none
  fallocate a 0 0 128K
  fstat a size kib allocated -> 131072 128 all
  pread a 100 4 -> .*4

  # reserves beyond a gap
  open a f O_RDWR|O_CREAT
  fallocate a 0 1M 64K
  fstat a size kib -> 1114112 64

  # what is reserved stays after close
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 64K
  close a
  stat f size kib -> 65536 64
  content f -> .*65536

  # what is reserved of an open file outlives a second descriptor
  open a f O_WRONLY|O_CREAT
  fallocate a 0 0 64K
  open b f O_RDWR
  close a
  fstat b size kib -> 65536 64

  # of a file that has content
  put f x*65536
  open a f O_RDWR
  fallocate a 0 0 256K
  close a
  stat f size kib -> 262144 256
  open a f O_RDWR
  pread a 65532 8 -> x*4+.*4

  # a truncate gives back what was reserved
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 64K
  ftruncate a 0
  fstat a size kib -> 0 0
  fallocate a KEEP_SIZE 0 64K
  fstat a size kib -> 0 64
  ftruncate a 0
  fstat a kib -> 0

  # O_TRUNC gives back what was reserved
  open a f O_RDWR|O_CREAT
  fallocate a KEEP_SIZE 0 64K
  close a
  stat f kib -> 64
  open b f O_WRONLY|O_TRUNC
  stat f size kib -> 0 0

  # more than there is room for is refused
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 8T -> ENOSPC
  fallocate a KEEP_SIZE 0 8T -> ENOSPC
  ftruncate a 0
  pwrite a 0 hello -> 5
  content f -> hello

  # of a file with content, more than there is room for is refused
  put f hello
  open a f O_RDWR
  fallocate a KEEP_SIZE 0 8T -> ENOSPC
  content f -> hello
  ftruncate a 5
  content f -> hello

  # PUNCH_HOLE leaves zeros and gives blocks back
  put f x*65536
  open a f O_RDWR
  fallocate a KEEP_SIZE|PUNCH_HOLE 8K 16K
  fstat a size -> 65536
  content f -> x*8192+.*16384+x*40960
  fstat a kib -> 48

  # PUNCH_HOLE of parts of blocks
  put f x*20000
  open a f O_RDWR
  fallocate a KEEP_SIZE|PUNCH_HOLE 100 10000
  content f -> x*100+.*10000+x*9900

  # PUNCH_HOLE beyond the end changes nothing
  put f hello
  open a f O_RDWR
  fallocate a KEEP_SIZE|PUNCH_HOLE 4K 4K
  content f -> hello
  fallocate a KEEP_SIZE|PUNCH_HOLE 3 4K
  content f -> hel..

  # PUNCH_HOLE needs KEEP_SIZE
  put f hello
  open a f O_RDWR
  fallocate a PUNCH_HOLE 0 5 -> ENOTSUP

  # PUNCH_HOLE gives back what was reserved
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 64K
  fallocate a KEEP_SIZE|PUNCH_HOLE 0 32K
  fstat a size kib -> 65536 32

  # ZERO_RANGE leaves zeros
  put f x*65536
  open a f O_RDWR
  fallocate a ZERO_RANGE 100 20000
  content f -> x*100+.*20000+x*45436
  fstat a size -> 65536

  # ZERO_RANGE keeps blocks reserved
  put f x*65536
  open a f O_RDWR
  fallocate a ZERO_RANGE 0 64K
  fstat a size kib -> 65536 64
  fallocate a ZERO_RANGE 64K 64K
  fstat a size kib -> 131072 128

  # ZERO_RANGE extends the file
  put f hello
  open a f O_RDWR
  fallocate a ZERO_RANGE 3 10
  content f -> hel+.*10

  # ZERO_RANGE with KEEP_SIZE does not
  put f hello
  open a f O_RDWR
  fallocate a ZERO_RANGE|KEEP_SIZE 3 10
  content f -> hel..

  # modes that there are not
  put f hello
  open a f O_RDWR
  fallocate a BOGUS 0 5 -> ENOTSUP
  fallocate a PUNCH_HOLE|ZERO_RANGE 0 5 -> ENOTSUP
  fallocate a KEEP_SIZE|PUNCH_HOLE|ZERO_RANGE 0 5 -> ENOTSUP

  # ranges that there are not
  put f hello
  open a f O_RDWR
  fallocate a 0 0 0 -> EINVAL
  fallocate a 0 -1 5 -> EINVAL
  fallocate a 0 0 -5 -> EINVAL
  fallocate a 0 9000000000000000000 4K -> EFBIG

  # only files that are open to write
  put f hello
  mkdir d
  mknod p S_IFIFO
  open a f O_RDONLY
  open b d O_RDONLY
  open c p O_RDWR
  fallocate a 0 0 10 -> EBADF
  fallocate b 0 0 10 -> EBADF
  fallocate c 0 0 10 -> ESPIPE

  # COLLAPSE_RANGE takes a part out
  put f a*4096+b*4096+c*4096
  open a f O_RDWR
  fallocate a COLLAPSE_RANGE 4K 4K
  content f -> a*4096+c*4096

  # INSERT_RANGE puts a gap in
  put f a*4096+b*4096
  open a f O_RDWR
  fallocate a INSERT_RANGE 4K 4K
  content f -> a*4096+.*4096+b*4096

  # bytes that are written into what is reserved
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 2M
  pwrite a 1048570 hello+world
  pread a 1048568 14 -> ..helloworld..
  close a
  stat f size kib -> 2097152 2048

  # a file that is written to where it was reserved takes no more room
  open a f O_RDWR|O_CREAT
  fallocate a 0 0 64K
  pwrite a 0 x*65536
  fstat a size kib -> 65536 64
  close a
  stat f size kib -> 65536 64
`,
)
