import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtInImages, type ImageEntry, imageCatalog } from '../../../../src/local/images/index.ts'

const entry = (name: string, tag: string, word: string): ImageEntry => ({
  name,
  tag,
  find: () => ({ kind: 'known', image: { command: [word], args: [], env: {}, workingDir: undefined } }),
})
const wordOf = (catalog: ReturnType<typeof imageCatalog>, image: string): string => {
  const found = catalog.find(image)
  return found.kind === 'known' ? found.image.command.join(' ') : found.kind
}

describe('the catalog of images', () => {
  it.each([
    ['1.27', '1.27', true],
    ['1.27', '1.2', false],
    ['*', 'anything', true],
    ['1.*', '1.27', true],
    ['1.*', '2.0', false],
    ['*-alpine', '1.27-alpine', true],
    ['*-alpine', 'alpine', false],
    ['1.*-alpine', '1.27-alpine', true],
    ['1.*-alpine', '1.-alpine', true],
    ['a*a', 'a', false],
    ['*x*y*', '1x2y3', true],
    ['*x*y*', '1y2x3', false],
    ['.', 'a', false],
  ])('with the tag %s for the tag %s: %s', (pattern, tag, isKnown) => {
    expect(wordOf(imageCatalog([entry('nginx', pattern, 'found')]), `nginx:${tag}`)).toBe(isKnown ? 'found' : 'unknown')
  })

  it('takes the first of several entries that fit', () => {
    const catalog = imageCatalog([entry('nginx', '1.*', 'one'), entry('nginx', '*', 'any')])
    expect(['nginx:1.2', 'nginx:2', 'docker.io/nginx', 'other'].map((image) => wordOf(catalog, image))).toEqual([
      'one',
      'any',
      'any',
      'unknown',
    ])
  })

  it('is not slow for a tag made to be so', () => {
    const catalog = imageCatalog([entry('a', `${'*a'.repeat(200)}*b`, 'x')])
    expect(wordOf(catalog, `a:${'a'.repeat(100_000)}`)).toBe('unknown')
  })
})

describe('images that every mesh knows', () => {
  const samplesDir = resolve(import.meta.dirname, '../../../../samples')

  it.each(['echo', 'shop-web', 'shop-cart', 'shop-payments', 'shop-catalog', 'shop-client'])('has ambit/%s', (name) => {
    const catalog = imageCatalog(builtInImages({ node: '/node', distDir: '/dist', samplesDir }))
    for (const image of [`ambit/${name}`, `docker.io/ambit/${name}:1.0`])
      expect(catalog.find(image)).toMatchObject({ kind: 'known' })
  })

  it('has ambit/waypoint as soon as its program is there, and says so until then', () => {
    const distDir = mkdtempSync(join(tmpdir(), 'ambit-dist-'))
    try {
      const catalog = imageCatalog(builtInImages({ node: '/node', distDir, samplesDir }))
      const file = join(distDir, 'waypoint', 'main.js')
      expect(catalog.find('ambit/waypoint')).toEqual({ kind: 'unavailable', reason: expect.stringContaining(file) })
      mkdirSync(join(distDir, 'waypoint'))
      writeFileSync(file, '')
      expect(catalog.find('ambit/waypoint')).toMatchObject({
        kind: 'known',
        image: { command: ['/node', file] },
      })
    } finally {
      rmSync(distDir, { recursive: true })
    }
  })
})
