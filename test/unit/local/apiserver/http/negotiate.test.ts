import { describe, expect, it } from 'vitest'
import { wantedAnswer, wantedDiscovery } from '../../../../../src/local/apiserver/http/negotiate.ts'

describe('what a client wants', () => {
  it.each<[string, string, string]>([
    ['', 'Object', 'json'],
    ['*/*', 'Object', 'json'],
    ['application/yaml', 'Object', 'yaml'],
    ['application/json', 'Object', 'json'],
    [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
      'Table',
      'json',
    ],
    ['application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json', 'Object', 'json'],
    [
      'application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1',
      'PartialObjectMetadataList',
      'json',
    ],
    ['application/vnd.kubernetes.protobuf, application/json', 'Object', 'json'],
  ])('by Accept: %s is %s in %s', (accept, form, syntax) => {
    expect(wantedAnswer(accept)).toEqual({ form, syntax })
  })

  it('and cannot be given is refused', () => {
    expect(() => wantedAnswer('text/html')).toThrow(/only the following media types/)
    expect(() => wantedAnswer('application/vnd.kubernetes.protobuf')).toThrow(/only the following media types/)
  })

  it.each<[string, string | undefined]>([
    ['application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json', 'v2'],
    [
      'application/json;g=apidiscovery.k8s.io;v=v3;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList',
      'v2beta1',
    ],
    ['application/json', undefined],
    ['*/*', undefined],
  ])('of discovery by Accept: %s is %s', (accept, version) => {
    expect(wantedDiscovery(accept)).toBe(version)
  })
})
