import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeDeltaResponse } from '../../../../src/shared/xds/delta-response.ts'
import { schema } from '../../../../src/shared/xds/schema.ts'

it('a response reads as if it had been encoded whole, again and again', () => {
  const resource = fc.record({
    name: fc.string(),
    version: fc.string(),
    aliases: fc.array(fc.string(), { maxLength: 3 }),
    body: fc.uint8Array({ maxLength: 300 }),
  })
  const delta = fc.record({ changed: fc.array(resource, { maxLength: 5 }), removed: fc.array(fc.string()) })
  fc.assert(
    fc.property(fc.string(), fc.string(), delta, (typeUrl, nonce, { changed, removed }) => {
      const whole = {
        typeUrl,
        nonce,
        systemVersionInfo: '',
        removedResources: removed,
        resources: changed.map(({ body, ...one }) => ({
          ...one,
          resource: { type_url: typeUrl, value: Buffer.from(body) },
        })),
      }
      for (let i = 0; i < 2; i++)
        expect(schema().deltaResponse.decode(encodeDeltaResponse(typeUrl, nonce, { changed, removed }))).toMatchObject(
          whole,
        )
    }),
  )
})
