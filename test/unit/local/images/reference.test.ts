import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseImage } from '../../../../src/local/images/index.ts'

describe('an image as people write it', () => {
  it.each([
    ['nginx', 'nginx', 'latest'],
    ['nginx:1.27', 'nginx', '1.27'],
    ['docker.io/nginx', 'nginx', 'latest'],
    ['docker.io/library/nginx:1', 'nginx', '1'],
    ['index.docker.io/ambit/echo:1.0', 'ambit/echo', '1.0'],
    ['library/nginx', 'nginx', 'latest'],
    ['ghcr.io/a/b:v1', 'ghcr.io/a/b', 'v1'],
    ['localhost:5000/a', 'localhost:5000/a', 'latest'],
    ['localhost:5000/a:x', 'localhost:5000/a', 'x'],
    [`nginx@sha256:${'0'.repeat(64)}`, 'nginx', 'latest'],
    [`nginx:1@sha256:${'0'.repeat(64)}`, 'nginx', '1'],
    [' nginx ', 'nginx', 'latest'],
    ['', '', 'latest'],
  ])('%s has the name %s and the tag %s', (written, name, tag) => {
    expect(parseImage(written)).toEqual({ name, tag })
  })

  it('is read whatever it is', () => {
    fc.assert(
      fc.property(fc.string(), (written) => {
        const { name, tag } = parseImage(written)
        expect(name).not.toMatch(/:[^/]*$/)
        expect(typeof tag).toBe('string')
      }),
    )
  })
})
