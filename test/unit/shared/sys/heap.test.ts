import { expect, it } from 'vitest'
import { trimHeap } from '#shared/sys'

it('gives freed memory back where the C library can', () => {
  const report = process.report.getReport() as { readonly header: { readonly glibcVersionRuntime?: string } }
  expect(trimHeap()).toBe(report.header.glibcVersionRuntime !== undefined)
})
