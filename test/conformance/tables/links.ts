/** Hard links and symbolic links. */
import { table } from '../case.ts'

const LONG = 'x'.repeat(255)
const PATH = `${'d'.repeat(240)}/`.repeat(17)

export const links = table(
  'links',
  `
  # two names are one file
  put f hello
  link f g
  same f g -> same
  stat f nlink -> 2
  put g world!
  content f -> world!
  chmod g 0600
  stat f mode -> 0600
  unlink f
  stat g nlink -> 1
  content g -> world!

  # a link changes when its file was changed, not its content
  put f x
  note f
  link f g
  changed f -> ctime

  # a directory has one name
  mkdir d
  link d e -> EPERM

  # a link to what is not there
  link f g -> ENOENT
  link d/f g -> ENOENT

  # a link into a directory that is not there
  create f
  link f d/g -> ENOENT

  # a link of a symbolic link is the link itself
  put f x
  symlink f l
  link l m
  lstat m type -> link
  same l m -> same
  lstat m nlink -> 2

  # a link can follow a symbolic link
  put f x
  symlink f l
  linkFollowing l m
  stat m type nlink -> file 2
  same f m -> same

  # an open file can get one more name
  put f x
  open a f O_RDONLY
  linkOpen a g
  same f g -> same

  # pipes, sockets and devices can have several names
  mknod p S_IFIFO
  link p q
  stat q type nlink -> fifo 2
  mknod c S_IFCHR 0600 1:3
  link c d
  stat d type nlink device -> char 2 1:3

  # a user may not link a file of another that he may not write
  create f 0644
  alice: link f g -> EPERM

  # a user may link his own file
  alice: create f
  alice: link f g
  stat f nlink -> 2

  # a symbolic link is as long as its target
  symlink some/target l
  lstat l type mode size nlink -> link 0777 11 1
  readlink l -> some/target

  # a symbolic link to nothing has no target
  symlink "" l -> ENOENT

  # a target of 255 bytes and one of 4095
  symlink ${LONG} l
  readlink l -> ${LONG}
  lstat l size -> 255
  symlink ${PATH.slice(0, 4090)} m -> ok
  lstat m size -> 4090

  # a target that is too long is refused
  symlink ${PATH}${LONG} l -> ENAMETOOLONG

  # a symbolic link leads on
  mkdir d
  put d/f hello
  symlink d l
  symlink l/f m
  content m -> hello
  stat m type size -> file 5
  resolve m -> d/f
  create l/g
  list d -> f g

  # a symbolic link may lead to itself, which goes nowhere
  symlink l l
  stat l type -> ELOOP
  open a l O_RDONLY -> ELOOP
  lstat l type -> link
  truncate l 1 -> ELOOP

  # two symbolic links that lead to each other
  symlink a b
  symlink b a
  stat a type -> ELOOP
  open x a O_WRONLY|O_CREAT -> ELOOP

  # O_NOFOLLOW opens no symbolic link
  put f x
  symlink f l
  open a l O_RDONLY|O_NOFOLLOW -> ELOOP
  open a f O_RDONLY|O_NOFOLLOW

  # removing and renaming take the link, not its target
  put f x
  symlink f l
  rename l m
  readlink m -> f
  unlink m
  content f -> x

  # a link to a directory is no directory to remove
  mkdir d
  symlink d l
  rmdir l -> ENOTDIR
  unlink l
  stat d type -> directory

  # a path that ends with a slash follows a link to a directory
  mkdir d
  symlink d l
  lstat l/ type -> directory
  rmdir l/ -> ENOTDIR

  # owner and times of a symbolic link are its own
  put f x
  symlink f l
  lchown l alice bob
  lstat l owner group -> alice bob
  stat f owner group -> root root
  lutimes l 100 200
  lstat l mtime -> 200
  note f
  lutimes l 100 300
  changed f -> nothing

  # changes through a symbolic link are of its target
  put f x
  symlink f l
  chmod l 0600
  stat f mode -> 0600
  chown l alice bob
  stat f owner group -> alice bob
  lstat l owner group -> root root
  truncate l 5
  stat f size -> 5
  utimes l 100 200
  stat f mtime -> 200

  # a file is no symbolic link
  create f
  readlink f -> EINVAL
  readlink . -> EINVAL

  # symbolic links and their targets outlive each other
  put f x
  symlink f l
  unlink f
  lstat l type -> link
  stat l type -> ENOENT
  put f y
  content l -> y

  # links in a chain, forty at most
  put f0 x
  ${Array.from({ length: 41 }, (_, at) => `symlink f${at} f${at + 1}`).join('\n  ')}
  content f40 -> x
  content f41 -> ELOOP
`,
)
