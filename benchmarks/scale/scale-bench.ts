/**
 * `make bench-scale`: one node while something grows: the number of names, the size of a sparse
 * file, the number of open files, the number of readers, and all of these together. One table each;
 * times are medians through the mount, memory is the peak resident size of the processes (`VmHWM`).
 */
import { parseArgs } from 'node:util'
import { printMixedTable } from './mixed-table.ts'
import { printNamesTable } from './names-table.ts'
import { printOpenFilesTable } from './open-files-table.ts'
import { printReadersTable } from './readers-table.ts'
import { printSparseTable } from './sparse-table.ts'

const TABLES = ['names', 'sparse', 'open', 'readers', 'mixed']

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '10000,100000,1000000' },
    tables: { type: 'string', default: TABLES.join(',') },
  },
})
const sizes = values.files.split(',').map(Number)
if (!sizes.every((it, at) => it > (sizes[at - 1] ?? 0))) {
  throw new Error(`--files takes growing numbers, not ${values.files}`)
}
const tables = values.tables.split(',')
if (!tables.every((it) => TABLES.includes(it))) {
  throw new Error(`--tables takes ${TABLES.join(', ')}, not ${values.tables}`)
}
if (tables.includes('names')) await printNamesTable(sizes)
if (tables.includes('sparse')) await printSparseTable()
if (tables.includes('open')) await printOpenFilesTable()
if (tables.includes('readers')) await printReadersTable()
if (tables.includes('mixed')) await printMixedTable()
