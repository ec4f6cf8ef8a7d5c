/** Lines of mountinfo, proc(5). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMountTable } from './mount-table.ts'

test('optional fields, blanks in names and truncated lines are parsed', () => {
  const table = parseMountTable(
    [
      '36 35 98:0 / /mnt/a\\040b\\134c rw,noatime shared:1 master:2 - ext4 /dev/sda rw',
      '40 35 0:52 /a /mnt/x rw - fuse.cachefs s3:bucket rw,user_id=0',
      'nonsense',
      '',
    ].join('\n'),
  )
  assert.deepEqual(table, [
    { device: '98:0', type: 'ext4', root: '/', mountPoint: '/mnt/a b\\c', source: '/dev/sda' },
    { device: '0:52', type: 'fuse.cachefs', root: '/a', mountPoint: '/mnt/x', source: 's3:bucket' },
  ])
})
