import fc from 'fast-check'
import { expect, it } from 'vitest'
import { hashStep, ID, idOfName, knownId, nameOf } from '../../../../../src/waypoint/codec/http1/field-names.ts'

it.each([
  ['host', ID.host],
  ['content-length', ID.contentLength],
  ['transfer-encoding', ID.transferEncoding],
  ['connection', ID.connection],
  ['upgrade', ID.upgrade],
  ['expect', ID.expect],
])('%s has the number by which the scan knows it', (name, id) => {
  expect(nameOf(id)).toBe(name)
  expect(idOfName(name)).toBe(id)
})

it('a name is known by its octets in any case exactly when it is known by its text', () => {
  const known = fc.integer({ min: 1, max: 51 }).map(nameOf)
  const other = fc.stringMatching(/^[a-z0-9-]{1,40}$/)
  fc.assert(
    fc.property(fc.oneof(known, other), (name) => {
      const bytes = Buffer.from(name.toUpperCase())
      const hash = Buffer.from(name).reduce(hashStep, 0)
      const id = knownId(bytes, 0, bytes.length, hash)
      expect(id).toBe(idOfName(name))
      if (id !== 0) expect(nameOf(id)).toBe(name)
    }),
  )
})
