/** Extended attributes. */
import { table } from '../case.ts'

const NAME = `user.${'n'.repeat(250)}`

export const extended = table(
  'xattr',
  `
  # are kept, listed and removed
  create f
  setxattr f user.a one
  setxattr f user.b two
  getxattr f user.a -> one
  listxattr f -> user.a user.b
  removexattr f user.a
  getxattr f user.a -> ENODATA
  listxattr f -> user.b

  # may be empty
  create f
  setxattr f user.a ""
  getxattr f user.a -> ""

  # XATTR_CREATE and XATTR_REPLACE
  create f
  setxattr f user.a 1 XATTR_REPLACE -> ENODATA
  setxattr f user.a 1 XATTR_CREATE
  setxattr f user.a 2 XATTR_CREATE -> EEXIST
  setxattr f user.a 3 XATTR_REPLACE
  getxattr f user.a -> 3

  # removing what is not there
  create f
  removexattr f user.a -> ENODATA

  # sizes are asked for
  create f
  setxattr f user.a hello
  getxattr f user.a 0 -> 5
  getxattr f user.a 3 -> ERANGE

  # names of 255 bytes, and no longer ones
  create f
  setxattr f ${NAME} 1
  getxattr f ${NAME} -> 1
  setxattr f ${NAME}n 1 -> ERANGE

  # name spaces that there are not
  create f
  setxattr f bogus.a 1 -> ENOTSUP
  setxattr f a 1 -> ENOTSUP

  # of directories
  mkdir d
  setxattr d user.a 1
  getxattr d user.a -> 1

  # of pipes and symbolic links there are none of users
  mknod p S_IFIFO
  setxattr p user.a 1 -> EPERM

  # stay with the file
  create f
  setxattr f user.a 1
  rename f g
  link g h
  getxattr h user.a -> 1
  put g new
  getxattr g user.a -> 1

  # are binary
  create f
  setxattr f user.a a.b..c
  getxattr f user.a -> a.b..c
`,
)
