/**
 * The manifests in k8s/: what Kubernetes takes, what the programs take, and that both fit: flags,
 * ports, probes, names of Secrets, and times.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import {
  addCoordinatorFlags,
  readCoordinatorOptions,
} from '../../src/options/coordinator-options.ts'
import type { CoordinatorOptions } from '../../src/options/coordinator-options.ts'
import { addNodeFlags, readNodeOptions } from '../../src/options/node-options.ts'
import type { NodeOptions } from '../../src/options/node-options.ts'
import { HEALTH_PATHS } from '../../src/http/server/health-routes.ts'
import { limits } from '../../src/limits.ts'
import { ROOT } from '../tidy/source-files.ts'
import { knownVariables } from './known-variables.ts'
import { complaintsAbout } from './kubernetes-schema.ts'
import { OVERLAYS, readManifests, render } from './manifests.ts'
import type { Manifest } from './manifests.ts'
import { stopMs } from './stop-time.ts'
import { containerOf, environmentOf, find } from './workload.ts'
import type { Container, Keyed, Probe, Workload } from './workload.ts'

/** What Secrets have to be given. */
const KEY = { CACHEFS_API_KEY: 'a key of our own' }
const STORE = { CACHEFS_STORE: 'postgres://cachefs:secret@postgres/cachefs' }

const readers = {
  client: (environment: Record<string, string>): NodeOptions => {
    const command = new Command('client')
    addNodeFlags(command)
    return readNodeOptions(command.parse([], { from: 'user' }), environment)
  },
  coordinator: (environment: Record<string, string>): CoordinatorOptions => {
    const command = new Command('coordinator')
    addCoordinatorFlags(command)
    return readCoordinatorOptions(command.parse([], { from: 'user' }), environment)
  },
}

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Manifest & {
  version: string
}

test('a schema that knows what a field is called, and what is in it', async () => {
  const [, , , deployment] = readManifests('k8s/coordinator/sqlite/coordinator.yaml') as Workload[]
  assert.deepEqual(await complaintsAbout([deployment!]), [])
  const [wrongName, wrongType] = [structuredClone(deployment!), structuredClone(deployment!)]
  Object.assign(containerOf(wrongName).volumeMounts[0]!, { mountPropogation: 'None' })
  Object.assign(containerOf(wrongType).ports[0]!, { containerPort: 'api' })
  assert.match((await complaintsAbout([wrongName])).join(), /coordinator: .*"mountPropogation"/)
  assert.match((await complaintsAbout([wrongType])).join(), /containerPort must be integer/)
})

test('the example pod is one', async () => {
  const pods = readManifests('k8s/examples/pod.yaml')
  assert.deepEqual(await complaintsAbout(pods), [])
  const text = JSON.stringify(pods)
  assert.ok(text.includes('"hostPath":{"path":"/mnt/cachefs",'), 'what clients share')
  assert.ok(text.includes('"mountPropagation":"HostToContainer"'))
})

for (const overlay of OVERLAYS) {
  describe(overlay, () => {
    const all = render(overlay)
    const client = find<Workload>(all, 'DaemonSet', 'cachefs-client')
    const coordinator = find<Workload>(all, 'Deployment', 'cachefs-coordinator')
    const workloads = { client, coordinator }

    test('every object fits its schema, and lives in fuse-system', async () => {
      assert.deepEqual(await complaintsAbout(all), [])
      for (const { kind, metadata } of all) {
        const { name, namespace } = metadata
        if (kind === 'Namespace') assert.equal(name, 'fuse-system')
        else assert.equal(namespace, 'fuse-system', `${kind} ${name}`)
      }
      const names = all.map(({ kind, metadata }) => `${kind} ${metadata.name}`)
      assert.equal(new Set(names).size, names.length, 'two objects of one name')
    })

    for (const [name, workload] of Object.entries(workloads) as [
      keyof typeof workloads,
      Workload,
    ][]) {
      test(`${name}: the program takes every variable`, () => {
        const container = containerOf(workload)
        assert.deepEqual([container.name, container.args], [name, [name]])
        assert.equal(container.image, `cachefs:${version}`)
        assert.equal(workload.spec.template.spec.enableServiceLinks, false)
        const environment = environmentOf(all, container)
        const known = knownVariables(name)
        for (const variable of Object.keys(environment)) assert.ok(known.has(variable), variable)
        assert.throws(() => readers[name](environment), /CACHEFS_API_KEY: this is the example/)
        const store = environment['CACHEFS_STORE'] === undefined ? {} : STORE
        const options = readers[name]({ ...environment, ...KEY, ...store })
        const { port, host } = options
        assert.equal(host, '0.0.0.0', 'others reach it')
        assert.deepEqual(container.ports, [{ name: 'api', containerPort: port }])
      })

      test(`${name}: probes ask routes that need no key, in time`, () => {
        const container = containerOf(workload)
        const { livenessProbe, readinessProbe, startupProbe } = container
        for (const probe of [livenessProbe, readinessProbe, startupProbe]) {
          assert.ok(HEALTH_PATHS.includes(probe.httpGet.path), probe.httpGet.path)
          assert.equal(probe.httpGet.port, 'api')
        }
        assert.match(livenessProbe.httpGet.path, /\/live$/)
        assert.match(readinessProbe.httpGet.path, /\/ready$/)
        // A daemon that dies is replaced, an upgrade done, before anybody restarts the container.
        assert.ok(patienceMs(livenessProbe) >= limits.upgradeMs)
        if (name === 'client') assert.ok(patienceMs(startupProbe) >= limits.snapshotMs)
      })

      test(`${name}: volumes are there, labels agree`, () => {
        const { selector, template } = workload.spec
        for (const [label, value] of Object.entries(selector.matchLabels)) {
          assert.equal(template.metadata.labels[label], value)
        }
        const mounted = containerOf(workload).volumeMounts.map((mount) => mount.name)
        assert.deepEqual(mounted.sort(), template.spec.volumes.map((it) => it.name).sort())
      })
    }

    test('what keeps the names is said once, behind a Service', () => {
      const container = containerOf(coordinator)
      const environment: Record<string, string> = { ...environmentOf(all, container), ...KEY }
      const claims = coordinator.spec.template.spec.volumes.flatMap(
        (it) => it.persistentVolumeClaim?.claimName ?? [],
      )
      const { replicas, strategy, template } = coordinator.spec
      // One alone with its volume; or several, of which those that stand by are not ready.
      assert.equal(strategy?.type, 'Recreate')
      if (environment['CACHEFS_STORE'] === undefined) {
        assert.equal(replicas, 1)
        for (const claim of claims) find(all, 'PersistentVolumeClaim', claim)
        assert.equal(claims.length, 1)
      } else {
        assert.ok(replicas! > 1)
        assert.deepEqual(claims, [])
        assert.throws(() => readers.coordinator(environment), /--store/)
        Object.assign(environment, STORE)
      }
      const { dataDir } = readers.coordinator(environment)
      assert.equal(mountOf(container, 'data').mountPath, dataDir)
      const service = find<Service>(all, 'Service', 'cachefs-coordinator')
      assert.equal(service.spec.type, 'ClusterIP')
      const { labels } = template.metadata
      for (const [key, value] of Object.entries(service.spec.selector)) {
        assert.equal(labels[key], value)
      }
      const [{ port, targetPort }] = service.spec.ports
      const { coordinator: address } = clientOptions(all, client)
      assert.deepEqual([address, targetPort], [`${service.metadata.name}:${port}`, 'api'])
    })

    test('the client mounts below what it shares with the machine', () => {
      const container = containerOf(client)
      assert.equal(container.securityContext.privileged, true)
      const { mountPoint, nvmeDir, advertisedHost } = clientOptions(all, client)
      const shared = mountOf(container, 'mounts')
      assert.equal(shared.mountPropagation, 'Bidirectional')
      assert.ok(mountPoint.startsWith(`${shared.mountPath}/`), mountPoint)
      assert.equal(mountOf(container, 'nvme').mountPath, nvmeDir)
      assert.equal(advertisedHost, '10.0.0.7')
      const { volumes } = client.spec.template.spec
      for (const { name, hostPath } of volumes) assert.ok(hostPath, name)
      const paths = volumes.map(({ hostPath }) => hostPath?.path)
      assert.ok(paths.includes('/dev/fuse') && paths.includes(shared.mountPath))
    })

    test('a client that is stopped has the time to drain', () => {
      const { terminationGracePeriodSeconds } = client.spec.template.spec
      const [program, verb, flag, seconds] =
        containerOf(client).lifecycle?.preStop.exec.command ?? []
      assert.deepEqual([program, verb, flag], ['cachefs', 'drain', '--timeout'])
      const neededMs = Number(seconds) * 1000 + stopMs
      assert.ok(terminationGracePeriodSeconds * 1000 >= neededMs, `${neededMs} ms`)
    })

    test('nothing in it is a secret: every value has to be replaced', () => {
      const secrets = all.filter(({ kind }) => kind === 'Secret') as Keyed[]
      assert.ok(secrets.length >= 2)
      for (const { data, stringData, metadata } of secrets) {
        assert.equal(data, undefined, metadata.name)
        for (const value of Object.values(stringData ?? {})) assert.equal(value, 'REPLACE-ME')
      }
    })
  })
}

test('the overlays differ in the cloud, and in what keeps the names', () => {
  const choices = OVERLAYS.map((overlay) => {
    const all = render(overlay)
    const { cloud } = clientOptions(all, find<Workload>(all, 'DaemonSet', 'cachefs-client'))
    const coordinator = containerOf(find<Workload>(all, 'Deployment', 'cachefs-coordinator'))
    const { CACHEFS_STORE: store } = environmentOf(all, coordinator)
    return [cloud.provider, store === undefined ? 'sqlite' : 'postgres']
  })
  assert.deepEqual(choices, [
    ['s3', 'sqlite'],
    ['azure', 'sqlite'],
    ['s3', 'postgres'],
  ])
})

interface Service extends Manifest {
  spec: {
    type: string
    selector: Record<string, string>
    ports: [{ port: number; targetPort: string }]
  }
}

function clientOptions(all: Manifest[], client: Workload): NodeOptions {
  return readers.client({ ...environmentOf(all, containerOf(client)), ...KEY })
}

function mountOf({ volumeMounts }: Container, name: string): Container['volumeMounts'][number] {
  const found = volumeMounts.find((it) => it.name === name)
  assert.ok(found, `${name} is not mounted`)
  return found
}

function patienceMs({ periodSeconds, failureThreshold }: Probe): number {
  return periodSeconds * failureThreshold * 1000
}
