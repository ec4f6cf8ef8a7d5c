/** Tests which CACHEFS_* variables are refused, and which are left alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkEnvironment } from './environment.ts'

test('a variable that nobody reads is a usage error that says what was meant', () => {
  const refused = (name: string): string => {
    try {
      checkEnvironment({ PATH: '/bin', [name]: 'x' })
    } catch (error) {
      return (error as Error).message
    }
    return 'taken'
  }
  assert.match(refused('CACHEFS_NVME_CAPACTIY'), /did you mean CACHEFS_NVME_CAPACITY\?/)
  assert.match(refused('CACHEFS_S3_BUCKTE'), /did you mean CACHEFS_S3_BUCKET\?/)
  assert.match(refused('CACHEFS_SOMETHING_ELSE'), /no such variable: unset it/)
  assert.equal(refused('CACHEFS_NVME_CAPACITY'), 'taken')
  assert.equal(refused('CACHEFS_SEED'), 'taken')
  checkEnvironment({ CACHEFS_UNKNOWN: '', CACHEFSX: '1' })
})

test('what Kubernetes says of Services is not for us', () => {
  for (const service of ['CACHEFS', 'CACHEFS_COORDINATOR']) {
    checkEnvironment({
      [`${service}_SERVICE_HOST`]: '10.0.0.1',
      [`${service}_SERVICE_PORT`]: '8080',
      [`${service}_SERVICE_PORT_API`]: '8080',
      [`${service}_PORT`]: 'tcp://10.0.0.1:8080',
      [`${service}_PORT_8080_TCP`]: 'tcp://10.0.0.1:8080',
      [`${service}_PORT_8080_TCP_PROTO`]: 'tcp',
      [`${service}_PORT_8080_TCP_PORT`]: '8080',
      [`${service}_PORT_8080_TCP_ADDR`]: '10.0.0.1',
    })
  }
})
