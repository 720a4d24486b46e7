import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { containerLogDir, removeLeftoverLogs, removePodLogs } from '../../../../src/local/logs/index.ts'

const web = { namespace: 'shop', name: 'web', uid: '1-2' }
const cart = { namespace: 'shop', name: 'cart', uid: '3-4' }
let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-log-folders-'))
  for (const pod of [web, cart]) mkdirSync(containerLogDir(dir, pod, 'app'), { recursive: true })
})
afterEach(() => rmSync(dir, { recursive: true, force: true }))

describe('folders of logs', () => {
  it('are named as in a cluster', () => {
    expect(containerLogDir('/logs', web, 'app')).toBe('/logs/shop_web_1-2/app')
  })

  it('go with their pod', () => {
    removePodLogs(dir, web)
    removePodLogs(dir, web)
    expect(readdirSync(dir)).toEqual(['shop_cart_3-4'])
  })

  it('of pods that are no more are removed, and nothing else', () => {
    mkdirSync(join(dir, 'other'))
    removeLeftoverLogs(dir, new Set(['3-4']))
    expect(readdirSync(dir).sort()).toEqual(['other', 'shop_cart_3-4'])
  })
})
