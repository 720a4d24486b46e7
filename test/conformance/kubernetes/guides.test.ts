/** The kinds and fields that guides to service meshes use: each is taken, or refused by the name of what does not exist. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installMeshCrds, readMeshCrds } from '../../../src/local/apiserver/index.ts'
import { hasKubectl, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'

const FOLDER = join(import.meta.dirname, 'guides')
const CRDS = pathToFileURL(join(import.meta.dirname, '../../../daemonset/crds/'))

/** `taken`, or what the answer names. */
const table: Readonly<Record<string, 'taken' | RegExp>> = {
  'canary-route.yaml': 'taken',
  'canary-route-without-hosts.yaml': 'taken',
  'canary-v1.yaml': 'taken',
  'circuit-breaker.yaml': 'taken',
  'circuit-breaker-by-volume.yaml': /unknown field "spec\.trafficPolicy\.outlierDetection\.minRequestVolume"/,
  'faults.yaml': 'taken',
  'flagger-canary.yaml': 'taken',
  'linkerd-route.yaml': /unknown field "spec\.rules\[0\]\.retries"/,
  'linkerd-server.yaml': /unknown field "spec\.protocol"/,
  'rate-limit.yaml': /no matches for kind "RequestAuthentication" in version "networking\.istio\.io\/v1beta1"/,
  'service.yaml': 'taken',
  'strict-mtls.yaml': 'taken',
  'tokens.yaml': 'taken',
  'tracing.yaml': 'taken',
  'who-may-call.yaml': 'taken',
}

describe.skipIf(!hasKubectl(27))('manifests as guides have them', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await startTestApi()
    await installMeshCrds(readMeshCrds(CRDS), api.server.access)
  })
  afterAll(() => api.close())

  it('are all in the table', () => {
    expect(readdirSync(FOLDER).sort()).toEqual(Object.keys(table).sort())
  })

  it.each(Object.entries(table))('%s: %s', async (file, expected) => {
    for (const how of [[], ['--server-side', '--field-manager=ci', '--force-conflicts']]) {
      const { code, stdout, stderr } = await kubectl(api, ['apply', ...how, '-f', join(FOLDER, file)])
      if (expected === 'taken') expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
      else expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(expected) })
    }
  })
})
