/**
 * A program for contained.test.ts that leaves behind all that tests make: a node with its mount, a
 * disk on a loop device, a stopped process in a session of its own, machines with a network, and
 * files. Prints `made`, and then waits to be killed.
 */
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClientHome, ClientProcess } from '../fixtures/client-process.ts'
import { Ext4Disk } from '../fixtures/ext4-disk.ts'
import { Network } from '../failures/network.ts'

const [marker = ''] = process.argv.slice(2)
const home = new ClientHome()
await ClientProcess.start(home)
writeFileSync(join(home.mount, 'file'), 'content')
const disk = new Ext4Disk(8)
writeFileSync(join(disk.path, 'file'), 'content')
const sleeper = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore', argv0: marker })
process.kill(sleeper.pid!, 'SIGSTOP')
new Network(['lan']).add('a', ['lan'])
console.log('made')
setInterval(() => undefined, 1000)
